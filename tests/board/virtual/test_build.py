"""The pieces a virtual board is built from, without building one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipeline.board.virtual import host, image, modules, packages, qemu, rootfs
from pipeline.errors import Refused

DEP = """\
kernel/drivers/virtio/virtio-rng.ko: kernel/drivers/virtio/virtio.ko
kernel/drivers/virtio/virtio.ko:
kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2.ko.xz kernel/lib/crc16.ko.xz
kernel/fs/jbd2.ko.xz:
kernel/lib/crc16.ko.xz:
"""


def test_modules_load_after_what_they_need_and_once() -> None:
    files = modules.closure(["virtio_rng", "ext4", "virtio"], modules.dependencies(DEP))
    assert [modules.name_of(f) for f in files] == [
        "virtio", "virtio_rng", "crc16", "jbd2", "ext4"
    ]  # fmt: skip


def test_a_module_built_into_the_kernel_is_no_error() -> None:
    assert modules.closure(["loop"], modules.dependencies(DEP)) == []


def test_apt_is_turned_to_arm64_and_keeps_its_proxy_and_sources(tmp_path: Path) -> None:
    dump = (
        'APT::Architecture "amd64";\nAPT::Architectures:: "amd64";\n'
        'APT::Update::Post-Invoke:: "touch /ruin";\nDPkg::Post-Invoke:: "touch /ruin";\n'
        'Acquire::http::Proxy "http://proxy:3128";\nDir::State "var/lib/apt";\n'
        'Dir::Etc::sourceparts "elsewhere.d";\n'
    )
    settings = tmp_path / "apt.conf"
    settings.write_text(packages.configuration(tmp_path, dump))
    shown = subprocess.run(
        ["apt-config", "dump"], env={"APT_CONFIG": str(settings)}, capture_output=True, text=True
    ).stdout
    assert 'APT::Architecture "arm64";' in shown
    assert 'APT::Architectures:: "arm64";' in shown
    assert "amd64" not in shown
    assert "ruin" not in shown
    assert 'Acquire::http::Proxy "http://proxy:3128";' in shown
    assert 'Dir::Etc::sourceparts "elsewhere.d";' in shown
    assert f'Dir::State::lists "{tmp_path}/lists";' in shown


def test_accounts_have_no_passwords_and_one_user() -> None:
    files = rootfs.accounts("root:*:0:0:root:/root:/bin/bash\n", "root:*:0:\n")
    assert files["passwd"].startswith("root:x:0:0:")
    assert "board:x:1000:1000::/home/board:/bin/bash" in files["passwd"]
    assert [line.split(":")[:2] for line in files["shadow"].splitlines()] == [
        ["root", "*"], ["sshd", "*"], ["board", "*"]
    ]  # fmt: skip


def test_the_key_follows_every_file_that_goes_into_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = image.key()
    monkeypatch.setattr(image, "MAKERS", image.MAKERS[1:])
    assert image.key() != before


def test_the_guest_reaches_nothing_and_only_this_machine_reaches_it(tmp_path: Path) -> None:
    words = " ".join(qemu.command(image.Image(tmp_path), "cortex-a53", from_snapshot=False))
    assert "restrict=on" in words
    assert "hostfwd=tcp:127.0.0.1:" in words
    assert "-cpu cortex-a53" in words
    assert "-icount shift=0" in words
    assert "-loadvm" not in words


def test_missing_programs_are_named_with_the_command_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [*host.DEBIAN, *host.PACKAGES]
    for name in set(there) - {"qemu-system-aarch64", "qemu-img", "cpio"}:
        (tmp_path / name).touch(0o755)
    monkeypatch.setattr(host, "search_path", lambda: str(tmp_path))
    with pytest.raises(Refused) as caught:
        image.image()
    assert "qemu-system-aarch64, qemu-img, cpio" in str(caught.value)
    command = "apt-get install --no-install-recommends qemu-system-arm qemu-utils cpio"
    assert caught.value.fix.endswith(command)
    assert caught.value.exit_code == 4


def test_a_machine_without_apt_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "search_path", lambda: str(tmp_path))
    with pytest.raises(Refused, match="Debian machine or container"):
        host.require()


def test_a_program_that_fails_is_quoted() -> None:
    with pytest.raises(Refused, match="the last word\n  fix: mend it"):
        host.run(["sh", "-c", "echo first >&2; echo the last word >&2; exit 3"], fix="mend it")


def test_a_guests_python_that_is_not_here_is_left_alone() -> None:
    assert rootfs.python_of("3.2") is None
