"""Idle ONVIF devices for :mod:`benchmarks.onvif`: they wait as long as they are asked to.

    python -m benchmarks._onvif_devices

Prints its port. Every path ``/NUMBER/…`` is a device; each answers a pull with one event in ten.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

from aiohttp import web

_ENVELOPE = (
    '<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:tds="http://www.onvif.org/ver10/device/wsdl" '
    'xmlns:tev="http://www.onvif.org/ver10/events/wsdl" '
    'xmlns:tt="http://www.onvif.org/ver10/schema" '
    'xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" '
    'xmlns:wsa="http://www.w3.org/2005/08/addressing"><s:Body>{}</s:Body></s:Envelope>'
)
_EVENT = (
    '<wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/'
    'ConcreteSet">tns1:RuleEngine/CellMotionDetector/Motion</wsnt:Topic><wsnt:Message>'
    '<tt:Message UtcTime="2026-01-01T00:00:00Z" PropertyOperation="Changed"><tt:Source>'
    '<tt:SimpleItem Name="VideoSourceConfigurationToken" Value="v"/></tt:Source><tt:Data>'
    '<tt:SimpleItem Name="IsMotion" Value="{}"/></tt:Data></tt:Message></wsnt:Message>'
    "</wsnt:NotificationMessage>"
)
_TIMEOUT = re.compile(rb"Timeout[^>]*>P(?:0D)?T(?:(\d+)M)?(?:([\d.]+)S)?<")
_pulls = 0


async def _answer(request: web.Request) -> web.Response:
    global _pulls
    data = await request.read()
    base = f"http://127.0.0.1:{request.url.port}/{request.match_info['number']}"
    now = datetime.now(UTC)
    stamps = (
        f"CurrentTime>{now:%Y-%m-%dT%H:%M:%SZ}</{{0}}CurrentTime>",
        f"TerminationTime>{now + timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}</{{0}}TerminationTime>",
    )
    if b"PullMessages" in data:
        found = _TIMEOUT.search(data)
        assert found is not None, data
        await asyncio.sleep(int(found[1] or 0) * 60 + float(found[2] or 0))
        _pulls += 1
        told = "".join(f"<tev:{one.format('tev:')}" for one in stamps)
        if _pulls % 10 == 0:
            told += _EVENT.format("true" if _pulls % 20 else "false")
        body = f"<tev:PullMessagesResponse>{told}</tev:PullMessagesResponse>"
    elif b"CreatePullPointSubscription" in data:
        told = "".join(f"<wsnt:{one.format('wsnt:')}" for one in stamps)
        body = (
            "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference><wsa:Address>"
            f"{base}/subscription</wsa:Address></tev:SubscriptionReference>{told}"
            "</tev:CreatePullPointSubscriptionResponse>"
        )
    elif b"GetCapabilities" in data:
        body = (
            "<tds:GetCapabilitiesResponse><tds:Capabilities>"
            f"<tt:Events><tt:XAddr>{base}/events</tt:XAddr></tt:Events>"
            "</tds:Capabilities></tds:GetCapabilitiesResponse>"
        )
    else:
        moment = f"<tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
        body = (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime>"
            "<tt:DateTimeType>Manual</tt:DateTimeType><tt:DaylightSavings>false"
            f"</tt:DaylightSavings><tt:UTCDateTime><tt:Time>{moment}"
            f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year>"
            f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date></tt:UTCDateTime>"
            "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )
    return web.Response(body=_ENVELOPE.format(body), content_type="application/soap+xml")


async def _serve() -> None:
    application = web.Application()
    application.router.add_post("/{number}/{rest:.*}", _answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
