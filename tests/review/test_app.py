"""The server answers only its own page and its users."""

import contextlib
import http.client
import json
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

from aura.errors import InvalidInputError, PreconditionError
from aura.review.app import PageServer, static_files
from aura.review.guard import Access, is_loopback
from aura.review.script import MODULES, STATIC, script
from aura.review.service import ReviewService
from tests.review_runs import alarm, make_run, opened

TOKEN = "0123456789abcdef0123456789abcdef"
OURS = {"x-aura-review": "1", "content-type": "application/json"}
NGINX = shutil.which("nginx")
NAME = "review.example.org"
CONF = """
daemon off; pid {folder}/pid; error_log {folder}/log; events {{}}
http {{ access_log off; client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fast;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port};
    location {prefix} {{ proxy_pass http://127.0.0.1:{page}/; {more} }} }} }}
"""
NEEDS_NGINX = pytest.mark.skipif(
    not NGINX, reason="nginx is not on PATH")


@contextlib.contextmanager
def serving(service, access=Access()):
    """A server in a thread, as a function that sends requests."""
    server = PageServer(service, access, 0)
    thread = threading.Thread(target=server.run)
    thread.start()

    def ask(path, method="GET", body=None, **headers):
        link = http.client.HTTPConnection("127.0.0.1", server.port,
                                          timeout=60)
        given = {name.replace("_", "-"): value
                 for name, value in headers.items()}
        link.request(method, path, body, given)
        answer = link.getresponse()
        content = answer.read()
        link.close()
        return answer, content

    ask.port = server.port
    try:
        yield ask
    finally:
        server.stop()
        thread.join()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    out = make_run(tmp_path_factory.mktemp("run"),
                   {"one": [alarm(310), alarm(40)]})
    return ReviewService(opened(out))


@pytest.fixture(scope="module")
def ask(service):
    with serving(service) as asking:
        yield asking


def change(service, **more):
    key = service.listing()["cases"][0]["key"]
    return f"/api/case/{key}/review", json.dumps({
        "version": service.review(key)["version"], "reviewer": "Ana",
        "action": "accept", "key": "p310000-30000", **more})


def test_only_the_files_of_the_page_are_served(ask):
    for path in static_files():
        answer, content = ask(path)
        assert answer.status == 200 and content, path
    for path in ("/server.py", "/../server.py", "/%2e%2e/server.py",
                 "/static/main.js", "/vendor", "/vendor/../../server.py",
                 "//etc/passwd", "/api/case/..%2f..%2fetc",
                 "/api/case/nobody/file/tsv"):
        assert ask(path)[0].status == 404, path


def test_the_one_script_holds_every_module():
    own = {name for name in MODULES if not name.startswith("vendor/")}
    assert own == {path.name for path in STATIC.iterdir()
                   if path.name.endswith(".js")}
    assert not re.search(r"^(import|export)\b.*;$", script(), re.M)


def test_every_answer_has_the_strict_policy(ask):
    for path in ("/", "/main.js", "/api/cases", "/nowhere"):
        answer, _ = ask(path)
        policy = answer.getheader("content-security-policy")
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        for weak in ("unsafe", "*", "http", "data:"):
            assert weak not in policy
        assert answer.getheader("x-content-type-options") == "nosniff"
        assert answer.getheader("server") is None


@pytest.mark.parametrize("host, status", [
    ("localhost:8062", 200), ("127.0.0.1", 200), ("[::1]:80", 200),
    ("evil.example", 421), ("evil.example:8062", 421),
    ("localhost.evil.example", 421), ("192.168.1.7:8062", 421), ("", 421),
    ("[::1", 421), ("localhost@evil.example", 421)])
def test_only_known_host_names_are_answered(ask, host, status):
    assert ask("/api/cases", host=host)[0].status == status


@pytest.mark.parametrize("spoiled", [
    {"x_aura_review": "0"}, {"content_type": "text/plain"},
    {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"},
    {"origin": "http://evil.example"}, {"origin": "null"}])
def test_only_the_page_itself_may_send_changes(ask, service, spoiled):
    path, body = change(service)
    headers = {name.replace("-", "_"): value for name, value in OURS.items()}
    answer, _ = ask(path, "POST", body, **{**headers, **spoiled})
    assert answer.status == 403
    assert service.review(path.split("/")[3])["version"] == 0


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b'{"version": true}', b"\xff", b"[" * 9000,
    b'{"version": 0, "reviewer": "A", "action": "accept", "path": "/x"}',
    b'{"version": 0, "reviewer": "A", "action": "add", "onset_s": "1"}',
    b'{"version": -1, "reviewer": "A", "action": "accept"}',
    b'{"version": 0, "reviewer": "A", "action": "add", "onset_s": 1'
    + b"0" * 400 + b"}"])
def test_an_invalid_change_is_rejected(ask, service, body):
    path, _ = change(service)
    headers = {name.replace("-", "_"): value for name, value in OURS.items()}
    answer, content = ask(path, "POST", body, **headers)
    assert answer.status == 422
    assert json.loads(content)["rule"] == "review.change"
    assert ask(path, "POST", b" " * 20_000, **headers)[0].status == 507


def test_a_change_is_saved_and_an_outdated_one_is_not(service):
    with serving(service) as ask:
        headers = {name.replace("-", "_"): value
                   for name, value in OURS.items()}
        path, body = change(service)
        answer, content = ask(path, "POST", body, **headers)
        assert answer.status == 200 and json.loads(content)["version"] == 1
        answer, content = ask(path, "POST", body, **headers)
        assert answer.status == 409
        assert json.loads(content)["rule"] == "review.conflict"


def test_beyond_loopback_every_request_needs_the_token(service):
    access = Access("0.0.0.0", TOKEN, ("exporter",))
    with serving(service, access) as ask:
        for path in ("/", "/main.js", "/api/cases", "/?token=",
                     f"/?token={TOKEN[:-1]}", f"/main.js?token={TOKEN}"):
            assert ask(path)[0].status == 401, path
        answer, _ = ask(f"/?token={TOKEN}")
        assert (answer.status, answer.getheader("location")) == (303, "./")
        cookie = answer.getheader("set-cookie")
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie
        shown = cookie.split(";")[0]
        for host in ("192.168.1.7:8062", "exporter", "localhost"):
            assert ask("/api/cases", cookie=shown, host=host)[0].status == 200
        assert ask("/", cookie=shown, host="evil.example")[0].status == 421
        assert ask("/", cookie="aura_review=é")[0].status == 401


def test_a_token_is_created_if_others_can_reach_the_page():
    assert Access.to("127.0.0.1", {}).token == ""
    assert Access.to("::1", {}).token == ""
    for host in ("0.0.0.0", "::", "192.168.1.7", "example.org"):
        made = Access.to(host, {}).token
        assert len(made) == 48 and made != Access.to(host, {}).token
    assert Access.to("::", {"AURA_WEB_TOKEN": TOKEN}).token == TOKEN
    assert Access.to("localhost", {"AURA_WEB_TOKEN": TOKEN}).token == TOKEN
    for bad in ("short", "spaces in the token", "ü" * 20):
        with pytest.raises(InvalidInputError, match="review.token"):
            Access.to("::", {"AURA_WEB_TOKEN": bad})
    assert is_loopback("127.8.9.1") and not is_loopback("localhost.evil")


def test_a_port_in_use_is_an_error(service):
    first = PageServer(service, Access(), 0)
    with pytest.raises(PreconditionError, match="review.port"):
        PageServer(service, Access(), first.port)
    assert first.address == first.shown == f"http://127.0.0.1:{first.port}/"
    first.stop()
    first.run()


def test_a_token_of_the_user_is_in_no_log_and_a_made_one_is_shown(service):
    for environ, shown in ({"AURA_WEB_TOKEN": TOKEN}, False), ({}, True):
        access = Access.to("0.0.0.0", environ)
        server = PageServer(service, access, 0)
        assert access.token in server.address
        assert (access.token in server.shown) == shown
        server.stop()
        server.run()


@contextlib.contextmanager
def proxied(folder, page, prefix="/", more=""):
    """Ask through nginx as a browser does that knows the public name."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "conf").write_text(CONF.format(
        folder=folder, port=port, page=page, prefix=prefix, more=more))
    process = subprocess.Popen(
        [NGINX, "-p", folder, "-c", folder / "conf", "-e", folder / "log"])
    until = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            assert time.monotonic() < until, "nginx does not start"
            time.sleep(0.05)

    def ask(path, method="GET", body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, prefix + path.lstrip("/"), body, {
            "host": NAME, "origin": f"https://{NAME}",
            "sec-fetch-site": "same-origin",
            **{name.replace("_", "-"): value
               for name, value in headers.items()}})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, text

    try:
        yield ask
    finally:
        process.terminate()
        process.wait(20)


@NEEDS_NGINX
@pytest.mark.parametrize("prefix", ["/", "/aura/review/"])
@pytest.mark.parametrize("more", ["", "proxy_set_header Host $host;"])
def test_edits_work_behind_a_proxy_whose_name_is_set(
        service, tmp_path, prefix, more):
    access = Access.to("127.0.0.1", {"AURA_WEB_TOKEN": TOKEN},
                       f"other.example, {NAME}")
    headers = {name.replace("-", "_"): value for name, value in OURS.items()}
    with (serving(service, access) as own,
          proxied(tmp_path, own.port, prefix, more) as ask):
        answer, _ = ask(f"/?token={TOKEN}")
        assert (answer.status, answer.getheader("location")) == (303, "./")
        cookie = answer.getheader("set-cookie").split(";")[0]
        for path in ("/", "/main.js", "/api/cases"):
            assert ask(path, cookie=cookie)[0].status == 200
        path, body = change(service)
        assert ask(path, "POST", body, cookie=cookie,
                   **headers)[0].status == 200


@NEEDS_NGINX
@pytest.mark.parametrize(("more", "status"), [
    ("", 403), ("proxy_set_header Host $host;", 421)])
def test_a_name_that_is_not_set_is_refused_with_the_way_out(
        service, tmp_path, more, status):
    headers = {name.replace("-", "_"): value for name, value in OURS.items()}
    path, body = change(service)
    with (serving(service) as own,
          proxied(tmp_path, own.port, "/", more) as ask):
        answer, text = ask(path, "POST", body, **headers)
        assert answer.status == status and "AURA_WEB_NAMES" in text
