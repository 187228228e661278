"""Servers on loopback, processes of their own, each behind a relay that can kill it in the middle of a transfer."""

import math
import re
import select
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

USER, SECRET = "colleague", "not in git"

SFTP = """
import asyncio, sys
import asyncssh

user, secret, folder = sys.argv[1:]

class Login(asyncssh.SSHServer):
    def begin_auth(self, name):
        return True
    def password_auth_supported(self):
        return True
    def validate_password(self, name, password):
        return (name, password) == (user, secret)

async def serve():
    keys = [asyncssh.generate_private_key("ssh-ed25519")]
    files = lambda channel: asyncssh.SFTPServer(channel, chroot=folder)
    server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=keys, server_factory=Login, sftp_factory=files)
    print(f"on 127.0.0.1:{server.get_port()}", flush=True)
    await server.wait_closed()

asyncio.run(serve())
"""


def rclone(protocol: str, *options: str) -> list[str]:
    return ["rclone", "serve", protocol, "--addr", "127.0.0.1:0", *options]


BY_NAME = ("--user", USER, "--pass", SECRET)

# How to serve a folder, the last word, to USER with SECRET. Each says on which port it does.
COMMANDS = {
    "s3": rclone("s3", "--auth-key", f"{USER},{SECRET}"),
    "webdav": rclone("webdav", *BY_NAME),
    "http": rclone("http", *BY_NAME, "--read-only"),
    "ssh": [sys.executable, "-c", SFTP, USER, SECRET],
}


class Server:
    """A folder, served by a protocol from a port that stays the same while the server is killed and started again."""

    def __init__(self, protocol: str, folder: Path):
        self.command = [*COMMANDS[protocol], str(folder)]
        self.process: subprocess.Popen | None = None
        self.counting = threading.Lock()
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        threading.Thread(target=self._answer, daemon=True).start()

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.door.close()

    def start(self, up: float = math.inf, down: float = math.inf) -> None:
        """Start the server, to be killed when so many bytes have gone up to it, or down from it."""
        self.kill()
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = []
        while not (found := re.search(r"127\.0\.0\.1:(\d+)", "".join(said[-1:]))):
            said.append(self.process.stdout.readline())
            assert said[-1], f"{self.command}: {''.join(said)}"
        threading.Thread(target=self.process.stdout.read, daemon=True).start()  # what else it says would fill the pipe
        self.address = ("127.0.0.1", int(found[1]))
        self.left = {"up": up, "down": down}

    def kill(self) -> None:
        if self.alive():
            self.process.kill()
        if self.process:
            self.process.wait()

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _answer(self) -> None:
        """Let each client in by the door."""
        with suppress(OSError):  # closed
            while True:
                client, _ = self.door.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        """Carry what a client says to the server, and back what that answers."""
        with client, suppress(OSError), socket.create_connection(self.address) as server:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # many small words back and forth
            ways = {client: ("up", server), server: ("down", client)}
            while True:
                for speaker in select.select([client, server], [], [])[0]:
                    way, listener = ways[speaker]
                    said = speaker.recv(1 << 16)
                    if not said:
                        return
                    listener.sendall(said)
                    with self.counting:
                        self.left[way] -= len(said)
                        if self.left[way] <= 0 and self.alive():
                            self.process.kill()


class GitServer:
    """The repositories in a folder, served by git."""

    def __init__(self, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"git://127.0.0.1:{port}"
        programs = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
        serve = [f"{programs}/git-daemon", "--verbose", "--export-all", f"--base-path={folder}", "--listen=127.0.0.1"]
        self.process = subprocess.Popen([*serve, f"--port={port}"], stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> "GitServer":
        said = self.process.stderr.readline()
        assert "Ready" in said, said
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
