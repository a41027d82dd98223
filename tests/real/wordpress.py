"""A real WordPress on loopback, from Debian's packages.

    with WordPress(tmp_path) as blog:
        blog.address, blog.user, blog.password  # an editor's application password
        blog.comment(post_id, "Ann", "Thanks!")  # like a reader in a browser
        blog.stop(), blog.start()               # the web server alone; the database keeps running
        blog.die_at_next_publish()              # after the post is stored, before the response

MariaDB has its own data directory and a free loopback port. The configuration of this machine is
neither read nor changed. At the end, exactly the processes that were started here are ended.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse
from pathlib import Path
from typing import Any

SOURCE = Path("/usr/share/wordpress")
NEEDED = ("php", "mariadbd", "mariadb-install-db")
DATABASE = "blog"


def missing() -> list[str]:
    """Return the required programs and files that this machine does not have."""
    found = [name for name in NEEDED if shutil.which(name, path=_PATH) is None]
    return found if SOURCE.is_dir() else [*found, str(SOURCE)]


_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

_CONFIG = """<?php
define('DB_NAME', '{database}'); define('DB_USER', 'blog'); define('DB_PASSWORD', '{secret}');
define('DB_HOST', '127.0.0.1:{port}'); define('DB_CHARSET', 'utf8mb4'); define('DB_COLLATE', '');
define('WP_ENVIRONMENT_TYPE', 'local'); define('WP_HTTP_BLOCK_EXTERNAL', true);
define('DISABLE_WP_CRON', true); define('AUTOMATIC_UPDATER_DISABLED', true);
define('WP_HOME', '{address}'); define('WP_SITEURL', '{address}');
define('COMMENTS_ARE_FREQUENT', true);
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $each) {{
  define($each . '_KEY', '{secret}' . $each); define($each . '_SALT', $each . '{secret}');
}}
$table_prefix = 'wp_';
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
"""

# This WordPress sends no mail. If a certain file exists, the web server is killed after the post is
# stored and before the response is sent.
_PLUGIN = """<?php
add_filter('pre_wp_mail', '__return_true');
add_filter('comment_flood_filter', '__return_false', 99);
add_action('rest_after_insert_post', function ($post) {{
  $order = '{place}/die-at-publish';
  if ($post->post_status != 'publish' || !file_exists($order)) return;
  unlink($order);
  posix_kill(getmypid(), 9);
}});
"""


class WordPress:
    def __init__(self, place: Path, *, pretty: bool = True) -> None:
        self.place = place
        self.root = place / "site"
        self.pretty = pretty
        self.port, self.database_port = _free_port(), _free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.secret = os.urandom(12).hex()
        self.user, self.password = "admin", ""
        self._database: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> WordPress:
        try:
            self._start_database()
            self._unpack()
            self.start()
            self._install()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        _end(self._database)
        self._database = None
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.place / "mysql", ignore_errors=True)

    # The web server

    def start(self) -> None:
        log = (self.place / "php.log").open("ab")
        self._server = subprocess.Popen(
            ["php", "-d", "display_errors=0", "-S", f"127.0.0.1:{self.port}", "-t", self.root],
            stdout=log, stderr=log, cwd=self.root, start_new_session=True,
        )  # fmt: skip
        _until(lambda: _answers(self.port), "php", self.place / "php.log")

    def stop(self) -> None:
        _end(self._server)
        self._server = None

    def die_at_next_publish(self) -> None:
        (self.place / "die-at-publish").touch()

    # What a reader or an administrator does

    def php(self, code: str) -> str:
        """Run PHP code inside WordPress as an administrator, and return its output."""
        head = (
            f"$_SERVER['HTTP_HOST']='127.0.0.1:{self.port}';"
            f"require '{self.root}/wp-load.php'; wp_set_current_user(1);"
        )
        done = subprocess.run(
            ["php", "-d", "display_errors=stderr", "-r", head + code],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def comment(self, post: int, name: str, text: str, *, parent: int = 0) -> None:
        """Post a comment, as a reader does in a browser.

        WordPress shows the comment only after a moderator has approved it.
        """
        facts = {
            "comment_post_ID": post, "author": name, "email": f"{name.lower()}@readers.example",
            "comment": text, "comment_parent": parent,
        }  # fmt: skip
        self._post("wp-comments-post.php", facts)

    def user_password(self, login: str, role: str) -> str:
        """Add a WordPress user with this role, and return an application password of the user."""
        return self.php(
            f"$u = wp_insert_user(['user_login'=>'{login}','user_pass'=>'{self.secret}',"
            f"'user_email'=>'{login}@blog.example','role'=>'{role}']);"
            "echo WP_Application_Passwords::create_new_application_password($u,"
            "['name'=>'scrm'])[0];"
        )

    def posts(self) -> list[dict[str, Any]]:
        """Return all public posts of the blog as its visitors see them, newest first."""
        route = "wp/v2/posts&per_page=100"
        return json.loads(self.get(f"?rest_route=/{route}"))  # type: ignore[no-any-return]

    def comments(self) -> list[dict[str, Any]]:
        return json.loads(self.get("?rest_route=/wp/v2/comments&per_page=100"))  # type: ignore[no-any-return]

    def get(self, path: str) -> str:
        status, text = self._exchange("GET", path)
        assert status == 200, text
        return text

    # Setup

    def _start_database(self) -> None:
        data, log = self.place / "mysql", (self.place / "mysql.log").open("ab")
        own = ["--user=root"] if os.geteuid() == 0 else []
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={data}", *own,
             "--auth-root-authentication-method=normal", "--skip-test-db"],
            stdout=log, stderr=log, check=True, env={**os.environ, "PATH": _PATH},
        )  # fmt: skip
        first = self.place / "first.sql"
        first.write_text(
            "DELETE FROM mysql.global_priv WHERE User='';\nFLUSH PRIVILEGES;\n"
            f"CREATE DATABASE {DATABASE};\n"
            f"CREATE USER blog@127.0.0.1 IDENTIFIED BY '{self.secret}';\n"
            f"GRANT ALL ON {DATABASE}.* TO blog@127.0.0.1;\n"
        )
        self._database = subprocess.Popen(
            ["mariadbd", "--no-defaults", f"--datadir={data}", *own, "--bind-address=127.0.0.1",
             f"--port={self.database_port}", f"--socket={self.place / 'm.sock'}",
             f"--pid-file={self.place / 'm.pid'}", f"--init-file={first}",
             "--skip-name-resolve", "--innodb-buffer-pool-size=16M",
             "--innodb-flush-log-at-trx-commit=2"],
            stdout=log, stderr=log, start_new_session=True, env={**os.environ, "PATH": _PATH},
        )  # fmt: skip
        _until(lambda: _answers(self.database_port), "MariaDB", self.place / "mysql.log")

    def _unpack(self) -> None:
        shutil.copytree(SOURCE, self.root, symlinks=True)
        (self.root / "wp-config.php").unlink()
        facts = {
            "database": DATABASE, "secret": self.secret, "port": self.database_port,
            "address": self.address,
        }  # fmt: skip
        (self.root / "wp-config.php").write_text(_CONFIG.format(**facts))
        plugins = self.root / "wp-content/mu-plugins"
        plugins.mkdir()
        (plugins / "tests.php").write_text(_PLUGIN.format(place=self.place))

    def _install(self) -> None:
        facts = {
            "weblog_title": "Skyward stories", "user_name": self.user, "admin_password": "x" * 20,
            "admin_password2": "x" * 20, "pw_weak": "on", "admin_email": "admin@blog.example",
            "blog_public": 0,
        }  # fmt: skip
        self._post("wp-admin/install.php?step=2", facts)
        structure = "/%year%/%monthnum%/%postname%/" if self.pretty else ""
        self.password = self.php(
            f"update_option('permalink_structure', '{structure}');"
            "global $wp_rewrite; $wp_rewrite->init(); flush_rewrite_rules(false);"
            "wp_delete_comment(1, true); wp_delete_post(1, true); wp_delete_post(2, true);"
            "echo WP_Application_Passwords::create_new_application_password("
            "1, ['name' => 'scrm'])[0];"
        )
        assert len(self.password) == 24, self.password

    def _post(self, path: str, facts: dict[str, Any]) -> None:
        status, text = self._exchange("POST", path, urllib.parse.urlencode(facts))
        assert status in (200, 302), text

    def _exchange(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, f"/{path}", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _until(check: Any, what: str, log: Path, within: float = 30) -> None:
    deadline = time.monotonic() + within
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} does not answer:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is None:
        return
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
