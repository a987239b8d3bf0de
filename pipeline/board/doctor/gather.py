"""A board's raw texts for the doctor, read by POSIX sh: {path or question: text}."""

from __future__ import annotations

from pipeline.board.shell import Shell

MARK = "\x1e"
ASK = r"""
set +e
say() { printf '\036%s\n' "$1"; }
case $1 in "~") root=$HOME;; "~/"*) root=$HOME/${1#"~/"};; *) root=$1;; esac
say root; echo "$root"
near=$root
while [ ! -d "$near" ]; do near=${near%/*}; [ -n "$near" ] || near=/; done
try=$near/.secateur-doctor.$$
say write; { mkdir -p "$root" && : > "$try"; } 2>&1
say symlink; ln -s nothing "$try.link" 2>&1
say execute; { printf '#!/bin/sh\n' > "$try" && chmod +x "$try" && "$try"; } 2>&1
rm -f "$try" "$try.link"
say place; (cd "$near" && pwd -P)
say df; df -Pk "$near" | tail -n 1
say /proc/mounts; cat /proc/mounts
say uid; id -u
say user; id -un
say sudo; sudo -n true > /dev/null 2>&1 && echo yes
say tools; for t in sha256sum readlink mv ln df; do command -v $t > /dev/null || echo $t; done
say uname; uname -snrvm
say tmp; [ -w /tmp ] && echo yes
say "vcgencmd get_throttled"; command -v vcgencmd > /dev/null && vcgencmd get_throttled 2> /dev/null
say "vcgencmd pmic_read_adc"
command -v vcgencmd > /dev/null && vcgencmd pmic_read_adc 2> /dev/null
for file in /proc/loadavg /proc/cpuinfo /proc/meminfo /proc/device-tree/model /etc/os-release \
  /sys/class/dmi/id/product_name /sys/devices/system/cpu/cpufreq/policy*/scaling_governor \
  /sys/devices/system/cpu/cpufreq/policy*/scaling_available_governors \
  /sys/class/thermal/thermal_zone*/type /sys/class/thermal/thermal_zone*/temp \
  /sys/class/hwmon/hwmon*/name /sys/class/hwmon/hwmon*/power1_input \
  /sys/class/hwmon/hwmon*/in?_input /sys/class/hwmon/hwmon*/in?_label \
  /sys/class/hwmon/hwmon*/in?_enable /sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*/in?_enable \
  /sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*/name \
  /sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*/in?_label \
  /sys/class/powercap/intel-rapl:?/name /sys/class/powercap/intel-rapl:?/energy_uj
do [ -e "$file" ] && { say "$file"; cat "$file" 2> /dev/null; }; done
true
"""


def gather(shell: Shell, root: str) -> dict[str, str]:
    """The texts; a file that is not there has none. Raises BoardUnreachable, Refused."""
    return parsed(shell.run(ASK, root))


def parsed(answer: str) -> dict[str, str]:
    """{name: text} of marked parts."""
    parts = (part.partition("\n") for part in answer.split(MARK)[1:])
    return {name: text for name, _, text in parts}
