"""What `ssh -G` says becomes a host's configuration, and nonsense becomes a usage error."""

from pathlib import Path

import pytest

from pipeline.board.ssh.config import Overrides, hop, resolve
from pipeline.errors import UsageError


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """Resolve a host by the text of a configuration."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    def go(host, text, **overrides):
        file = tmp_path / "config"
        file.write_text(text)
        return resolve(host, Overrides(config=file, **overrides))

    return go


def test_an_alias_in_an_included_file(configured, tmp_path):
    included = tmp_path / "boards.conf"
    included.write_text("Host pi*\n HostName 10.0.0.7\n Port 2200\n User pi\n ConnectTimeout 3\n")
    found = configured("pi5", f"Include {included}\n")
    assert (found.host, found.port, found.user, found.connect_s) == ("10.0.0.7", 2200, "pi", 3.0)
    assert (found.alias, found.key_name, found.label) == ("pi5", "[10.0.0.7]:2200", "pi@pi5")
    assert configured("bob@pi5", f"Include {included}\n").label == "bob@pi5"


def test_what_is_given_wins_over_the_file(configured, tmp_path):
    text = "Host *\n Port 1\n User a\n IdentityFile /x\n UserKnownHostsFile /y\n ProxyJump z\n"
    key, hosts = tmp_path / "100% my key", tmp_path / "known hosts"
    hosts.touch()
    given = {"user": "b", "port": 2, "identity": key, "known_hosts": hosts, "jump": "none"}
    found = configured("h", text, **given)
    assert (found.user, found.port, found.known_hosts, found.jumps) == ("b", 2, (hosts,), ())
    assert found.identities[0] == key and found.identities_only


def test_paths_with_tokens_spaces_and_home(configured, tmp_path):
    hosts = tmp_path / "known hosts"
    hosts.touch()
    text = f'UserKnownHostsFile "{hosts}" ~/other\nIdentityFile ~/%h/%r "\n'.replace(' "\n', "\n")
    found = configured("u@h", text)
    assert found.known_hosts[:2] == (hosts, Path.home() / "other")
    assert found.identities == (Path.home() / "h" / "u",)


def test_the_agent(configured, monkeypatch):
    assert configured("h", "").agent is None
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    assert configured("h", "").agent == Path("/run/agent")
    assert configured("h", "IdentityAgent none\n").agent is None
    assert configured("h", "IdentityAgent /other\n").agent == Path("/other")


def test_names_for_known_hosts(configured):
    assert configured("H", "").key_name == "h"
    assert configured("h", "Port 22\n").key_name == "h"
    assert configured("h", "Port 23\nHostKeyAlias a\n").key_name == "a"


def test_jumps_and_commands(configured):
    assert configured("h", "ProxyJump a@b:3,c\n").jumps == ("a@b:3", "c")
    found = configured("u@h", "Port 5\nProxyCommand nc %h %p as %r at 100%%\n")
    assert found.proxy_command == "nc h 5 as u at 100%"
    assert configured("h", "ProxyCommand none\n").proxy_command is None


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("h", ("h", None, None)),
        ("u@h:22", ("h", "u", 22)),
        ("u@x@h", ("h", "u@x", None)),
        ("[::1]:2", ("::1", None, 2)),
        ("ssh://u@h:9/", ("h", "u", 9)),
    ],
)
def test_a_jump_address(address, parts):
    assert hop(address) == parts


@pytest.mark.parametrize(
    ("host", "text", "words"),
    [
        ("h", "Prot 22\n", "Bad configuration option"),
        ("h", "Port many\n", "Bad port"),
        ("-oProxyCommand=touch x", "", "invalid characters"),
        (" ", "", "no host is named"),
    ],
)
def test_nonsense_is_a_usage_error(configured, refused, host, text, words):
    assert words in refused(UsageError, configured, host, text)
