"""A process that answers calls, about each payment with its own amount: prints its port, and ends with its input."""

import asyncio
import re
import sys

from aiohttp import web

from benchmarks.documents import CAPTURED, CREATED, PAYMENT, REFERENCE, TOKEN

# By the last part of the path; any other is the reference of a payment that is read.
REPLIES = {"get": TOKEN, "payments": CREATED, "capture": CAPTURED}
_ASKED = re.compile(rb"acme-shop-[0-9]+-0*([0-9]+)")


async def answer(request: web.BaseRequest) -> web.Response:
    """Answer as Vipps MobilePay does, whatever is asked."""
    body = REPLIES.get(request.path.rpartition("/")[2], PAYMENT)
    if asked := _ASKED.search(request.path.encode() + await request.read()):
        body = body.replace(b"49900", b"%d" % (10_000 + int(asked[1]))).replace(REFERENCE, asked[0])
    return web.Response(body=body, headers={"Content-Type": "application/json"})


async def serve() -> None:
    """Serve until standard input ends."""
    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve())
