#!/usr/bin/env python3
"""One headless Chromium for all tests of a file, which curl can talk to.

    browser.py SOCKET PROFILE CHROMIUM [OPTION...]

Serves HTTP on the Unix socket SOCKET; PROFILE is a directory that it may fill. A body is text:

    POST /open?width=W&height=H&dark=0&script=1&still=0   URL: loads it in that window
    POST /eval        an expression, promises awaited: its value, text as it is, else JSON
    POST /shot        a file's name: a PNG of the whole page goes there
    GET  /complaints  what the browser has complained of since the last /open: errors on the console,
                      exceptions, violations of the page's policy, requests that failed

It speaks the DevTools protocol to Chromium through a pipe (--remote-debugging-pipe), so no port is
open. A signal ends both.
"""
import base64
import http.server
import json
import os
import signal
import socketserver
import subprocess
import sys
import urllib.parse

DEADLINE = 60


class Browser:
    def __init__(self, profile, command):
        to_browser, self.output = os.pipe()
        self.input, from_browser = os.pipe()
        self.buffer = b""
        self.last_id = 0
        self.complaints = []
        self.loaded = False

        def place_pipes():
            os.dup2(to_browser, 100)
            os.dup2(from_browser, 101)
            os.dup2(100, 3)
            os.dup2(101, 4)

        self.process = subprocess.Popen(
            command + [
                "--headless", "--remote-debugging-pipe", f"--user-data-dir={profile}",
                "--no-first-run", "--disable-gpu", "--disable-extensions", "--disable-sync",
                "--disable-background-networking", "--disable-component-update",
                "--hide-scrollbars", "--force-color-profile=srgb", "about:blank",
            ],
            pass_fds=(3, 4), preexec_fn=place_pipes, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=dict(os.environ, TMPDIR=profile, HOME=profile))
        os.close(to_browser)
        os.close(from_browser)
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def read_message(self):
        while b"\0" not in self.buffer:
            piece = os.read(self.input, 1 << 16)
            if not piece:
                raise RuntimeError("the browser is gone")
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def note_event(self, event):
        method, params = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Runtime.exceptionThrown":
            self.complaints.append("exception: " + json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append("console: " + json.dumps(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append("log: " + params["entry"]["text"])
        elif method == "Network.loadingFailed" and not params.get("canceled"):
            self.complaints.append("network: " + params["errorText"])

    def call(self, method, **params):
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read_message()
            if answer.get("id") == self.last_id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.note_event(answer)

    def open(self, url, width=1280, height=800, dark=0, script=1, still=0):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}])
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.complaints = []
        self.loaded = False
        failure = self.call("Page.navigate", url=url).get("errorText")
        if failure:
            raise RuntimeError(failure)
        while not self.loaded:
            self.note_event(self.read_message())

    def eval(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True,
                           returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"]))
        value = result["result"].get("value")
        return value if isinstance(value, str) else json.dumps(value)

    def shot(self, name):
        image = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        with open(name, "wb") as file:
            file.write(base64.b64decode(image["data"]))


class Handler(http.server.BaseHTTPRequestHandler):
    browser = None

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body:  # else the client may be gone already
            self.wfile.write(body)

    def serve(self):
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        signal.alarm(DEADLINE)
        try:
            if url.path == "/open":
                self.browser.open(body, **{n: int(v) for n, v in urllib.parse.parse_qsl(url.query)})
                self.answer(200, "")
            elif url.path == "/eval":
                self.answer(200, self.browser.eval(body))
            elif url.path == "/shot":
                self.answer(200, self.browser.shot(body) or "")
            else:
                self.browser.eval("0")  # takes in the events up to now
                self.answer(200, "".join(line + "\n" for line in self.browser.complaints))
        except RuntimeError as error:
            self.answer(500, f"{error}\n")
        signal.alarm(0)

    do_GET = do_POST = serve

    def address_string(self):
        return "curl"

    def log_message(self, *_):
        pass


def main():
    socket, profile, *command = sys.argv[1:]
    Handler.browser = Browser(profile, command)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socketserver.UnixStreamServer(socket, Handler) as server:
        print("the browser is ready", flush=True)
        try:
            server.serve_forever()
        finally:
            Handler.browser.process.terminate()
            Handler.browser.process.wait()


main()
