# SPDX-License-Identifier: Apache-2.0
"""An initramfs in the format "newc" (kernel: Documentation/driver-api/early-userspace).

Written here rather than by cpio because every entry gets root as its owner and device nodes need no
root. Not compressed: inside, unpacking would cost more than it saves.
"""

import pathlib
import re
import stat
import subprocess
import tempfile


class Initramfs:
    """Writes entries to `file` as they are added; the first of a name stays. `build` is the folder
    of the build, /build inside. What lies there is stripped of debug information, without which
    names remain in stack traces."""

    def __init__(self, file, build):
        self._file = open(file, "wb")
        self._build = build
        self._seen = set()
        self._add("dev", stat.S_IFDIR | 0o755)
        # What the kernel opens for /init before anything is mounted.
        self._add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._add("TRAILER!!!", 0)
        self._file.close()

    def directory(self, path, mode=0o755):
        self._parents(path)
        self._add(path, stat.S_IFDIR | mode)

    def content(self, path, data, mode=0o644):
        self._parents(path)
        self._add(path, stat.S_IFREG | mode, data)

    def program(self, path, source):
        """A program with every library it needs, each in its own place."""
        self._binary(path, source)
        for library in _libraries(source):
            inside = library
            if library.is_relative_to(self._build):
                inside = pathlib.Path("/build") / library.relative_to(self._build)
            self._binary(str(inside)[1:], library)

    def _binary(self, path, source):
        if path in self._seen:
            return
        if not source.exists():
            raise FileNotFoundError(f"{source} is not there; is it built?")
        data = _stripped(source) if source.is_relative_to(self._build) else source.read_bytes()
        self.content(path, data, 0o755)

    def _parents(self, path):
        for parent in reversed(pathlib.PurePosixPath(path).parents[:-1]):
            self._add(str(parent), stat.S_IFDIR | 0o755)

    def _add(self, path, mode, data=b"", device=(0, 0)):
        if path in self._seen:
            return
        self._seen.add(path)
        name = path.encode() + b"\0"
        fields = (len(self._seen), mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + name
        for part in (header, data):
            self._file.write(part + b"\0" * (-len(part) % 4))


def _stripped(source):
    with tempfile.NamedTemporaryFile() as copy:
        subprocess.run(["strip", "--strip-debug", "-o", copy.name, source], check=True)
        return pathlib.Path(copy.name).read_bytes()


def _libraries(program):
    """Paths of the libraries that the loader would take, its own among them."""
    # Fails for a static program, which needs none.
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    if missing := re.findall(r"(\S+) => not found", listed):
        raise FileNotFoundError(f"{program} needs {missing[0]}, which is nowhere")
    # Without resolving links: a library is found under the name it is asked for.
    return [pathlib.Path(path).parent.resolve() / pathlib.Path(path).name
            if "/../" in path else pathlib.Path(path)
            for path in re.findall(r"(/\S+) \(0x", listed)]
