"""A bench meter as a process of its own: SCPI over a pseudo terminal or a TCP socket.

Prints its port, then answers line by line as IEEE 488.2 and SCPI-1999 say: `*IDN?`, `*CLS`, an
error queue, `CONF`, `MEAS`/`READ`. Faults are options: python instrument.py (pty | tcp) [--mute 5]
"""

import argparse
import contextlib
import os
import socket
import sys
import time
import tty
from pathlib import Path

IDN = "SECATEUR,STUB POWER METER,SN0001,1.0"


class Instrument:
    """The meter behind the line."""

    def __init__(self, options):
        self.options, self.errors, self.readings = options, [], 0

    def answer(self, line):
        """The answer to one command; None for a command that has none."""
        command = line.strip().upper()
        if command == "*IDN?":
            return IDN
        if command == "*CLS":
            self.errors.clear()
        elif command == "SYST:ERR?":
            return self.errors.pop(0) if self.errors else '0,"No error"'
        elif command in ("MEAS:POW?", "READ?", "MEAS:VOLT?", "MEAS:CURR?"):
            return self.reading(command)
        elif not command.startswith(("CONF:", "SENS:")):
            self.errors.append('-113,"Undefined header"')
        return None

    def reading(self, command):
        self.readings += 1
        options = self.options
        if options.late and self.readings % options.late == 0:
            time.sleep(options.late_s)
        if options.leave and self.readings >= options.leave:
            sys.exit()
        if options.mute and self.readings >= options.mute:
            return None
        if options.over and self.readings >= options.over:
            return "+9.90000000E+37"
        if options.of:
            return f"{options.watts + options.work * working(options.of):+.8E}"
        value = {"MEAS:VOLT?": options.volts, "MEAS:CURR?": options.watts / options.volts}
        return f"{value.get(command, options.watts + self.readings * 1e-6):+.8E}"


def working(pid):
    """Whether an agent of that process has a worker: then the board it looks at is at work."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"--worker" in words:
                agent = words[words.index(b"--worker") + 1].decode()
                status = Path("/proc", agent, "stat").read_text()
                if status.rpartition(")")[2].split()[1] == str(pid):
                    return True
    return False


def serve(fd, instrument):
    rest = b""
    while True:
        try:
            data = os.read(fd, 4096)
        except OSError:
            return
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            answer = instrument.answer(line.decode())
            if answer is not None:
                os.write(fd, answer.encode() + instrument.options.end.encode())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("line", choices=("pty", "tcp"))
    parser.add_argument("--watts", type=float, default=2.5)
    parser.add_argument("--volts", type=float, default=5.0)
    parser.add_argument("--mute", type=int, default=0, help="no answer from this reading on")
    parser.add_argument("--over", type=int, default=0, help="over range from this reading on")
    parser.add_argument("--late", type=int, default=0, help="every n-th reading comes late")
    parser.add_argument("--late-s", type=float, default=0.5)
    parser.add_argument("--leave", type=int, default=0, help="end at this reading")
    parser.add_argument("--of", type=int, default=0, help="see `working`")
    parser.add_argument("--work", type=float, default=2.0, help="watts of that work")
    parser.add_argument("--end", default="\n")
    options = parser.parse_args()
    instrument = Instrument(options)
    if options.line == "pty":
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        print(os.ttyname(theirs), flush=True)
        serve(ours, instrument)
        return
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(f"tcp://127.0.0.1:{server.getsockname()[1]}", flush=True)
        while True:
            connection, _ = server.accept()
            with connection:
                serve(connection.fileno(), instrument)


if __name__ == "__main__":
    sys.exit(main())
