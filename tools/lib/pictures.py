#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The work of tools/pictures: plays some pipelines against a private daemon and draws what sysmemctl
shows of them.

    pictures.py BIN OUT    BIN: where sysmemd and sysmemctl are; OUT: folder for the pictures

Names and scenes are always the same; pids, ids, times and the daemon's own figures are not. Debian's
python3-pyte, python3-rich and graphviz, hence Debian's interpreter.
"""

import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "docs/examples"
PATIENCE = 30  # seconds for anything to come about

# Black on white and the eight colours, darker than terminals have them: they must be legible there.
THEME = TerminalTheme(
    (252, 252, 252), (36, 41, 47),
    [(36, 41, 47), (207, 34, 46), (17, 99, 41), (125, 78, 0), (9, 105, 218), (130, 80, 223),
     (27, 124, 131), (110, 119, 129)],
    [(87, 96, 106), (164, 14, 38), (26, 127, 55), (99, 60, 1), (33, 139, 255), (164, 117, 249),
     (49, 146, 170), (140, 149, 159)])

# Rich's own, without fonts that would have to be loaded from somewhere.
FRAME = """<svg class="rich-terminal" xml:space="preserve" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: "DejaVu Sans Mono", "Liberation Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; white-space: pre; }}
.{unique_id}-title {{ font-family: "DejaVu Sans", Helvetica, Arial, sans-serif; font-size: 18px;
  font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""

# A camera for whoever wants its frames: one of two ways to the screen, a preview that keeps nothing
# alive, and a recorder that may fail alone.
STUDIO = """
[[participants]]
name = "camera"
usage = { cpu = ["WRITE"], video = ["CAPTURE"] }
min_buffer_count_for_camping = 3
[[participants.image_format_constraints]]
pixel_format = "NV12"
color_spaces = ["REC709"]
min_size = "1280x720"
bytes_per_row_divisor = 64
[[groups]]
name = "ways to the screen"
children = ["overlay", "GPU"]
[[participants]]
name = "overlay"
usage = { display = ["LAYER"] }
min_buffer_count_for_camping = 2
[[participants.image_format_constraints]]
pixel_format = "B8G8R8A8"
color_spaces = ["SRGB"]
[[participants]]
name = "GPU"
usage = { vulkan = ["IMAGE_SAMPLED"] }
min_buffer_count_for_camping = 2
[[participants.image_format_constraints]]
pixel_format = "NV12"
color_spaces = ["REC709"]
bytes_per_row_divisor = 256
[[participants]]
name = "preview"
weak = true
read_only = true
usage = { vulkan = ["IMAGE_SAMPLED"] }
min_buffer_count_for_camping = 1
[[participants]]
name = "recorder"
dispensable = true
usage = { video = ["HW_ENCODER"] }
min_buffer_count_for_camping = 2
[[participants.image_format_constraints]]
pixel_format = "NV12"
color_spaces = ["REC709"]
size_alignment = "16x16"
"""

# What the collections are for, by the name of the program: a file, and how it is played.
SCENES = {
    "camera-app": (EXAMPLES / "camera-encoder-display.toml", []),
    "compositor": (EXAMPLES / "compressed-falls-back-to-linear.toml", []),
    "video-call": (EXAMPLES / "weak-preview.toml", ["--leaving", "camera", "--leaving", "archive"]),
    "studio": (None, []),
    "editor": (None, ["--silent", "recorder", "--timeout", "0"]),
    "player": (EXAMPLES / "camera-encoder-display.toml",
               ["--unbound", "display", "--timeout", "0"]),
    "two-gpus": (EXAMPLES / "two-gpus-no-common-modifier.toml", []),
    "scanner": (EXAMPLES / "neural-accelerator-blocks.toml", []),
}


class Studio:
    """A daemon, programs that hold buffers of it, and sysmemctl."""

    def __init__(self, bin_folder, place):
        self.place = pathlib.Path(place)
        self.sysmemctl = str(bin_folder / "sysmemctl")
        self.children = []
        # Of the terminals that ncurses knows, pyte understands this one whole.
        self.environment = {"PATH": os.environ["PATH"], "TERM": "linux", "LANG": "C.UTF-8",
                            "SYSMEM_SOCKET": str(self.place / "socket")}
        ready, told = os.pipe()
        self.start([str(bin_folder / "sysmemd"), "--socket", self.environment["SYSMEM_SOCKET"],
                    "--log-level", "error", "--ready-fd", str(told)], pass_fds=[told])
        os.close(told)
        if os.read(ready, 1) == b"":
            sys.exit("pictures: the daemon did not start")

    def start(self, command, **more):
        self.children.append(subprocess.Popen(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, **more))

    def finish(self):
        for child in reversed(self.children):
            child.send_signal(signal.SIGTERM)
            child.wait()

    def ask(self, *arguments):
        ran = subprocess.run([self.sysmemctl, "--json", *arguments], env=self.environment,
                             stdout=subprocess.PIPE, check=True)
        return json.loads(ran.stdout)

    def collections(self):
        """Ids by the program that began them."""
        return {one["creator"]["command"]: one["buffer_collection_id"]
                for one in self.ask("list")["collections"]}

    def play(self, program, file, options):
        # A program is called what its file is called.
        link = self.place / program
        link.symlink_to(self.sysmemctl)
        if file is None:
            file = self.place / "studio.toml"
            file.write_text(STUDIO)
        self.start([str(link), "alloc", "--hold", *options, str(file)])
        await_(lambda: self.is_settled(program), f"what {program} holds")

    def is_settled(self, program):
        number = self.collections().get(program)
        if number is None:
            return False
        shown = self.ask("show", number)
        if shown["summary"]["state"] == "COLLECTION_STATE_WAITING":
            # So far as it comes: somebody waits already.
            return any(node["pending_waits"] for node in shown["nodes"])
        return shown["summary"]["state"] != "COLLECTION_STATE_ALLOCATING"


def await_(probe, what):
    deadline = time.monotonic() + PATIENCE
    while not probe():
        if time.monotonic() > deadline:
            sys.exit(f"pictures: waited in vain for {what}")
        time.sleep(0.05)


class Terminal:
    """A command on a terminal of so many columns and lines."""

    def __init__(self, command, environment, columns, lines):
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            size = struct.pack("HHHH", lines, columns, 0, 0)
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            os.execvpe(command[0], command, environment)

    def read_until(self, probe):
        deadline = time.monotonic() + PATIENCE
        while not probe():
            ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                sys.exit(f"pictures: the terminal shows only\n{self.text()}")
            if not self.read():
                return

    def read(self):
        """False: it has ended."""
        with contextlib.suppress(OSError):
            data = os.read(self.fd, 65536)
            self.stream.feed(data)
            return bool(data)
        return False

    def text(self):
        return "\n".join(self.screen.display)

    def press(self, key):
        os.write(self.fd, key)

    def finish(self):
        while self.read():
            pass
        os.close(self.fd)
        os.waitpid(self.pid, 0)

    def drawn(self):
        """The lines of the screen with their styles; empty ones at the end are left out."""
        lines = []
        for y in range(self.screen.lines):
            cells = [self.screen.buffer[y][x] for x in range(self.screen.columns)]
            line = Text()
            for style, run in itertools.groupby(cells, style_of):
                line.append("".join(cell.data for cell in run), style)
            if not line.spans or not line.spans[-1].style.reverse:
                line.rstrip()
            lines.append(line)
        while lines and not lines[-1].plain.strip():
            lines.pop()
        return lines


def style_of(cell):
    def colour(name):
        if name == "default":
            return None
        bright = name.startswith("bright")
        name = name.removeprefix("bright")
        name = {"brown": "yellow"}.get(name, name)
        return "bright_" + name if bright else name

    grey = cell.fg in ("black", "brightblack")  # nothing is black on black
    return Style(color="bright_black" if grey else colour(cell.fg), bgcolor=colour(cell.bg),
                 bold=cell.bold and not grey, reverse=cell.reverse)


def save(lines, columns, title, path):
    console = Console(record=True, width=columns, file=open(os.devnull, "w", encoding="utf-8"),
                      force_terminal=True, color_system="standard", legacy_windows=False)
    for line in lines:
        console.print(line, no_wrap=True, overflow="crop", crop=False, highlight=False)
    svg = console.export_svg(title=title, theme=THEME, code_format=FRAME, unique_id=path.stem)
    path.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


def picture_of_command(studio, path, title, *arguments, columns=100):
    terminal = Terminal([studio.sysmemctl, *arguments], studio.environment, columns, 120)
    terminal.read_until(lambda: False)
    terminal.finish()
    save(terminal.drawn(), columns, title, path)


def picture_of_top(studio, path):
    terminal = Terminal([studio.sysmemctl, "top", "--interval", "1"], studio.environment, 80, 24)
    terminal.read_until(lambda: "quit" in terminal.screen.display[-1])
    # Something happens between two looks.
    for _ in range(8):
        subprocess.run([studio.sysmemctl, "alloc", str(EXAMPLES / "camera-encoder-display.toml")],
                       env=studio.environment, stdout=subprocess.DEVNULL, check=True)
    terminal.read_until(lambda: any(f"hits {n}/s" in terminal.text() for n in range(1, 100)))
    lines = terminal.drawn()
    terminal.press(b"q")
    terminal.finish()
    save(lines, 80, "sysmemctl top", path)


def picture_of_graph(studio, path, number):
    dot = subprocess.run([studio.sysmemctl, "tree", "--dot", number], env=studio.environment,
                         stdout=subprocess.PIPE, check=True).stdout
    drawn = subprocess.run(["dot", "-Tsvg"], input=dot, stdout=subprocess.PIPE, check=True).stdout
    path.write_bytes(drawn)


def main():
    bin_folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        studio = Studio(bin_folder, place)
        try:
            for program, (file, options) in SCENES.items():
                studio.play(program, file, options)
            numbers = studio.collections()
            picture_of_command(studio, out / "show.svg", "sysmemctl show ID", "show",
                               numbers["camera-app"])
            picture_of_command(studio, out / "why.svg", "sysmemctl why ID", "why",
                               numbers["player"])
            picture_of_command(studio, out / "why-conflict.svg", "sysmemctl why ID", "why",
                               numbers["two-gpus"])
            picture_of_command(studio, out / "tree.svg", "sysmemctl tree ID", "tree",
                               numbers["editor"])
            picture_of_graph(studio, out / "tree-dot-waiting.svg", numbers["editor"])
            picture_of_top(studio, out / "top.svg")
        finally:
            studio.finish()


if __name__ == "__main__":
    main()
