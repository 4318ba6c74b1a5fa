"""``verify`` on the command line: explains a captured request."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.cli import SECRET, URL, verified
from vipps_async.cli import main
from vipps_async.webhooks.signature import SignedUrl, sign

BODY = json.dumps({"reference": "order-0001", "name": "BLÅBÆR"}, separators=(",", ":"), ensure_ascii=False).encode()


def captured(
    *,
    secret: str = SECRET,
    url: str = URL,
    body: bytes = BODY,
    sent: bytes | None = None,
    age: timedelta = timedelta(),
) -> bytes:
    """Return a captured request, signed over *body* so long ago, with *sent* as its body."""
    headers = sign(secret, SignedUrl.of(url), body, date=datetime.now(UTC) - age)
    lines = ["POST /vipps/events?shop=1 HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + (body if sent is None else sent)


class TestVerify:
    """Explaining a captured request."""

    @pytest.mark.parametrize("prefix", ["", "> "])
    @pytest.mark.parametrize("end", ["\r\n", "\n"])
    @pytest.mark.parametrize("first", [True, False])
    def test_a_signature_that_holds(
        self, *, prefix: str, end: str, first: bool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With or without the first line, either line end, and as curl shows headers: it holds, with its date."""
        head, _, content = captured().partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")[0 if first else 1 :]
        request = end.join([*(f"{prefix}{line}" for line in lines), "", ""]).encode() + content
        assert verified(request) == 0
        said = capsys.readouterr().out
        assert "The signature holds. It was signed at 20" in said

    @pytest.mark.parametrize(
        ("age", "status", "said"),
        [
            (timedelta(days=6, hours=23), 0, ""),
            (timedelta(days=7, hours=2), 3, "2:0.:.. beyond them: the delivery was signed at .* more than 7 days"),
            (timedelta(days=1000), 3, "993 days, 0:0.:.. beyond them: the delivery was signed at 20"),
            (timedelta(hours=-1), 3, "0:5.:.. beyond them: the delivery was signed at .* in the future"),
        ],
    )
    def test_a_date_that_a_receiver_refuses(
        self, age: timedelta, status: int, said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The signature holds and the delivery is refused all the same: a status of its own, and by how much."""
        assert verified(captured(age=age)) == status
        told = capsys.readouterr().out
        assert "The signature holds. It was signed at" in told
        assert re.search(said, told)
        assert ("beyond" in told) is bool(status)

    @pytest.mark.parametrize(
        ("request_", "secret", "cause"),
        [
            (captured(secret="another-secret"), SECRET, "the secret is not that of this webhook's registration"),
            (captured(url="https://other.example/vipps/events?shop=1"), SECRET, "it is signed for host other.example"),
            (captured(sent=BODY + b"\n"), SECRET, "But it would hold without the line end after the body"),
            (captured(sent=json.dumps(json.loads(BODY)).encode()), SECRET, "But it would hold for compact JSON"),
            (captured(sent=b"{}"), SECRET, "the body is not the one that was signed"),
            (captured(), f'"{SECRET}"', "But it would hold with the secret as it is without the spaces or quotes"),
            (captured().replace(b"x-ms-date", b"x-date"), SECRET, "the delivery has no x-ms-date header"),
            (captured().replace(b"GMT", b"XYZ 99"), SECRET, "the signed date was altered"),
            (captured().partition(b"\r\n\r\n")[0], SECRET, "the body is not the one that was signed"),
        ],
    )
    def test_why_a_signature_does_not_hold(
        self, request_: bytes, secret: str, cause: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Each cause is named, with status 1, and no secret is."""
        assert verified(request_, secret) == 1
        said = capsys.readouterr().out
        assert said.startswith("The signature does not hold: ")
        assert cause in said
        assert SECRET not in said

    def test_a_copy_that_a_proxy_took_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The signature holds by its second copy, and the proxy is named."""
        lines = captured().partition(b"\r\n\r\n")[0].split(b"\r\n")
        kept = [b"Authorization: Basic Og==" if line.startswith(b"Authorization") else line for line in lines]
        assert verified(b"\r\n".join([*kept, b"", BODY])) == 0
        said = capsys.readouterr().out
        assert "a proxy replaced Authorization on the way" in said
        assert "The signature holds." in said

    def test_a_content_length_ends_the_body(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What a file has after it was not sent."""
        file = tmp_path / "request.http"
        head = f"\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
        file.write_bytes(captured().replace(b"\r\n\r\n", head, 1) + b"\n\n# a note\n")
        assert main(["verify", "--url", URL, "--secret", SECRET, str(file)]) == 0
        assert "The signature holds" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--url", URL], "verify needs --url and --secret"),
            (["--url", URL, "--secret", "x", "no-such-file"], "no-such-file"),
            (["--url", URL, "--secret", "x", __file__], "is no header"),
        ],
    )
    def test_what_cannot_be_verified(
        self, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Status 1, and what is wrong."""
        assert main(["verify", *arguments]) == 1
        assert message in capsys.readouterr().err
