"""Tell the shipping options of Express payments, in an aiohttp application.

Run ``python examples/express_server.py`` with the four API keys, and the public address of this server in ``SHOP_URL``
and a token of your own in ``SHIPPING_TOKEN``; against a sandbox, with ``VIPPS_ENVIRONMENT`` set too.
"""

import os

from aiohttp import web

from vipps_async import Amount, ShippingGroup, ShippingOption, VippsClient
from vipps_async.express import ShippingEndpoint, ShippingRequest


async def options(request: ShippingRequest) -> list[ShippingGroup]:
    """Return what there is for an address: nothing outside of Norway, and a pick-up point in Oslo."""
    if request.address.country != "NO":
        return []
    home = ShippingOption(id="home", name="To your door", amount=Amount(9900, "NOK"), is_default=True)
    groups = [ShippingGroup(type="HOME_DELIVERY", brand="POSTEN", options=[home])]
    if request.address.city == "Oslo":
        shop = ShippingOption(id="shop", name="Our shop", amount=Amount(0, "NOK"), meta="Storgata 1")
        groups.append(ShippingGroup(type="IN_STORE", brand="OTHER", options=[shop]))
    return groups


def make_app(vipps: VippsClient, url: str, token: str) -> web.Application:
    """Make the application; *url* is its address as Vipps MobilePay and the shopper see it."""
    shipping = ShippingEndpoint(options, url=f"{url}/vipps/shipping", token=token)

    async def buy(request: web.Request) -> web.Response:
        created = await vipps.epayment.create(
            amount=Amount(49900, "NOK"),
            reference=request.match_info["reference"],
            return_url=f"{url}/thanks",
            profile_scope="name address email phoneNumber",
            shipping=shipping.shipping,
        )
        raise web.HTTPSeeOther(created.redirect_url)

    app = web.Application()
    app.router.add_post("/buy/{reference}", buy)
    shipping.setup(app, "/vipps/shipping")
    return app


async def main() -> web.Application:
    """Make the application with a client that closes with it."""
    vipps = VippsClient.from_env()
    app = make_app(vipps, os.environ["SHOP_URL"], os.environ["SHIPPING_TOKEN"])

    async def close(_: web.Application) -> None:
        await vipps.close()

    app.on_cleanup.append(close)
    return app


if __name__ == "__main__":
    web.run_app(main(), port=8080)
