# SPDX-License-Identifier: Apache-2.0
"""Debian's kernels: the newest of a series, unpacked below build/vm, never installed.

The packages are those of the archives that this machine's apt knows; 6.1 and 6.12 are both in
Debian 12 (bookworm and bookworm-security). Unpacked once, used by every build of this tree.
"""

import lzma
import pathlib
import re
import shutil
import subprocess
import tempfile


class KernelMissing(Exception):
    """No kernel of the series is to be had; the text says why and what to do."""


class Kernel:
    """An unpacked linux-image package."""

    def __init__(self, folder):
        self.folder = folder
        self.image = next(folder.glob("boot/vmlinuz-*"))
        self.release = self.image.name.removeprefix("vmlinuz-")

    def modules(self, names):
        """[(file name, content)]: the modules called so and what they need, in the order in which
        to load them. Those built into this kernel are left out."""
        # An underscore and a hyphen are the same in the name of a module.
        def plain(name):
            return name.replace("-", "_")

        root = self.folder / "lib/modules" / self.release
        files = {plain(f.name.split(".ko")[0]): f for f in root.rglob("*.ko*")}
        builtin = {plain(pathlib.PurePath(line).stem)
                   for line in (root / "modules.builtin").read_text().splitlines()}
        loaded = {}

        def load(name):
            name = plain(name)
            if name in loaded or name in builtin:
                return
            if name not in files:
                raise KernelMissing(f"Linux {self.release} has no module '{name}'")
            content = files[name].read_bytes()
            if files[name].suffix == ".xz":
                content = lzma.decompress(content)
            needs = re.search(rb"\0depends=([^\0]*)\0", content)
            for needed in needs[1].decode().split(",") if needs and needs[1] else []:
                load(needed)
            loaded[name] = content

        for name in names:
            load(name)
        return [(f"{name}.ko", content) for name, content in loaded.items()]


def provide(series, cache):
    """The newest kernel of the series ("6.12"), downloaded to `cache` if it is not there yet."""
    cache.mkdir(parents=True, exist_ok=True)
    package, why = _newest(_packages(series, [])), "apt knows no such package"
    if package and (cache / package).exists():
        return Kernel(cache / package)
    if package and not (why := _unpack(package, cache, [])):
        return Kernel(cache / package)
    # The lists of this machine may be missing or older than the archive. Lists of our own need no
    # root.
    own = _own_lists(cache)
    if own:
        package = _newest(_packages(series, own))
        if package and not (why := _unpack(package, cache, own)):
            return Kernel(cache / package)
    if older := _newest([f.name for f in cache.iterdir() if _is_of(series, f.name)]):
        print(f"vm: the newest kernel of {series} cannot be downloaded; taking {older}")
        return Kernel(cache / older)
    raise KernelMissing(
        f"no kernel for the virtual machine: linux-image-{series}.*-amd64-unsigned cannot be "
        f"downloaded ({why}). It is in Debian 12's archive, suites bookworm and "
        "bookworm-security; see /etc/apt/sources.list.d and 'apt-get update'.")


def _is_of(series, package):
    return re.fullmatch(rf"linux-image-{re.escape(series)}\.(?!.*-(?:cloud|rt)-).*-amd64-unsigned",
                        package)


def _newest(packages):
    # "6.12.117+deb12" and "6.1.0-56" differ from their predecessors in a number.
    return max(packages, default=None, key=lambda name: [int(n) for n in re.findall(r"\d+", name)])


def _packages(series, options):
    found = subprocess.run(["apt-cache", *options, "pkgnames", f"linux-image-{series}."],
                           capture_output=True, text=True, check=False)
    return [name for name in found.stdout.split() if _is_of(series, name)]


def _own_lists(cache):
    """The options that make apt use lists of our own, fetched anew; nothing when that fails."""
    lists = cache / "apt"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    options = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={lists}",
               "-o", "APT::Sandbox::User="]
    update = subprocess.run(["apt-get", *options, "update"], capture_output=True, text=True,
                            check=False)
    if update.returncode != 0:
        print(f"vm: apt-get update: {update.stderr.strip()}")
        return None
    return options


def _unpack(package, cache, options):
    """Downloads and unpacks; returns what went wrong, or nothing."""
    with tempfile.TemporaryDirectory(dir=cache, prefix=".unpacking-") as work:
        work = pathlib.Path(work)
        download = subprocess.run(
            ["apt-get", *options, "-o", "APT::Sandbox::User=", "download", package],
            cwd=work, capture_output=True, text=True, check=False)
        if download.returncode != 0:
            return download.stderr.strip() or "apt-get download failed"
        archive = next(work.glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", archive, work / "tree"], check=True)
        shutil.rmtree(work / "tree/usr", ignore_errors=True)  # documentation
        # In one step, so that nobody meets half a kernel; another run may have been faster.
        try:
            (work / "tree").rename(cache / package)
        except OSError:
            if not (cache / package).exists():
                raise
    return None
