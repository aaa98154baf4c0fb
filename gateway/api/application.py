"""The FastAPI application: every route in its order, every request through the guard."""

from __future__ import annotations

from fastapi import FastAPI

from gateway.api import (
    account,
    alarms,
    areas,
    audit_log,
    bookmarks,
    camera_bulk,
    camera_devices,
    cameras,
    cases,
    clocks,
    console,
    desk_switch,
    desks,
    device_events,
    diagnosis,
    documents,
    events,
    exports,
    grants,
    handovers,
    holds,
    live,
    masks,
    passthrough,
    patrols,
    platform_channels,
    platform_devices,
    platform_kinds,
    platform_shares,
    platforms,
    playback,
    purposes,
    reference,
    restreams,
    retention,
    security,
    session,
    sheets,
    sight,
    sightings,
    sign_in_page,
    sign_ins,
    steering,
    switches,
    system,
    talk,
    timeline,
    tokens,
    trusted,
    url_templates,
    users,
)
from gateway.api.answers import FailureAnswer
from gateway.api.errors import install_error_handlers
from gateway.api.guard import Guard
from gateway.api.refusals import install_refusal_handler
from gateway.api.services import Services
from gateway.version import VERSION


def create_app(services: Services) -> FastAPI:
    """The application on these services."""
    app = FastAPI(
        title="gridsight",
        version=VERSION,
        description="A county's video gateway. Times are UTC microseconds; ids are opaque.",
        # FastAPI's own pages load scripts from a foreign host.
        docs_url=None,
        redoc_url=None,
        responses={"4XX": {"model": FailureAnswer}, "5XX": {"model": FailureAnswer}},
    )
    app.state.services = services
    for module in (
        session,
        sign_in_page,
        account,
        sign_ins,
        areas,
        cameras,
        camera_bulk,
        camera_devices,
        sheets,
        clocks,
        events,
        grants,
        sight,
        live,
        talk,
        masks,
        steering,
        patrols,
        device_events,
        alarms,
        switches,
        diagnosis,
        # Before the platforms: 'applicants' is nobody's id.
        platform_devices,
        platform_kinds,
        platforms,
        platform_channels,
        platform_shares,
        restreams,
        retention,
        timeline,
        trusted,
        playback,
        sightings,
        purposes,
        bookmarks,
        cases,
        holds,
        exports,
        documents,
        users,
        security,
        tokens,
        desks,
        desk_switch,
        handovers,
        audit_log,
        system,
        reference,
        url_templates,
        passthrough,
        # Last: it answers every other path.
        console,
    ):
        app.include_router(module.router)
    install_error_handlers(app)
    install_refusal_handler(app)
    app.add_middleware(Guard, strict_transport=services.settings.tls_kind == "files")
    return app
