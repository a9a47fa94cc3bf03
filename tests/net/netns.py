"""Two network namespaces joined by a cable: the calling process becomes the client's side, a second one is
for the server. Nothing outside changes, and nothing is left over however the process ends: both namespaces
live only as long as the processes in them.

Works for root, and for others where user namespaces are allowed. Take it before anything opens a socket or
starts a thread.
"""
import contextlib
import ctypes
import os
import subprocess

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


class Unavailable(Exception):
    """No namespace can be made here; the text says why."""


class Network:
    client, client_other, client6 = "10.77.0.1", "10.77.0.3", "fd77::1"
    server, server6 = "10.77.0.2", "fd77::2"

    def __init__(self):
        become_alone()
        # Ends when our end of its input closes, and with it the namespace.
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; read -r _"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if not self.holder.stdout.readline():
            raise Unavailable("unshare --net failed")
        pid = self.holder.pid
        self.enter = ["nsenter", f"--net=/proc/{pid}/ns/net"]
        ip("link", "set", "lo", "up")
        ip("link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(pid))
        self.up([], self.client, self.client_other, self.client6)
        self.up(self.enter, self.server, self.server6)

    def up(self, prefix, *addresses):
        ip("link", "set", "lo", "up", prefix=prefix)
        # No link-local addresses: clients would offer them, and they are not ready at once.
        ip("link", "set", "cable", "addrgenmode", "none", prefix=prefix)
        ip("link", "set", "cable", "up", prefix=prefix)
        for address in addresses:
            v6 = ":" in address
            ip("address", "add", address + ("/64" if v6 else "/24"), "dev", "cable", *(["nodad"] if v6 else []),
               prefix=prefix)

    def remove_address(self, address):
        ip("address", "del", address + ("/64" if ":" in address else "/24"), "dev", "cable")

    def close(self):
        with contextlib.suppress(OSError):
            self.holder.stdin.close()
        self.holder.wait(10)


def become_alone():
    """Puts this process into a network namespace of its own."""
    flags, identity = CLONE_NEWNET, (os.getuid(), os.getgid())
    if identity[0] != 0:
        flags |= CLONE_NEWUSER
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        why = os.strerror(ctypes.get_errno())
        raise Unavailable(f"no network namespace ({why}); it takes root, or kernel.unprivileged_userns_clone = 1")
    if identity[0] != 0:
        with open("/proc/self/setgroups", "w") as file:
            file.write("deny")
        for name, own in zip(("uid_map", "gid_map"), identity):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(f"0 {own} 1")


def ip(*words, prefix=()):
    done = subprocess.run([*prefix, "ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"ip {' '.join(words)}: {done.stderr.strip()}")
