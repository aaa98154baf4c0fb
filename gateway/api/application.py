"""The FastAPI application: every route in its order, every request through the guard."""

from __future__ import annotations

from fastapi import FastAPI

from gateway.api import (
    areas,
    audit_log,
    bookmarks,
    cameras,
    clocks,
    console,
    documents,
    events,
    grants,
    live,
    masks,
    passthrough,
    playback,
    purposes,
    reference,
    restreams,
    session,
    sight,
    system,
    timeline,
    users,
)
from gateway.api.answers import FailureAnswer
from gateway.api.errors import install_error_handlers
from gateway.api.guard import Guard
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
        areas,
        cameras,
        clocks,
        events,
        grants,
        sight,
        live,
        masks,
        restreams,
        timeline,
        playback,
        purposes,
        bookmarks,
        documents,
        users,
        audit_log,
        system,
        reference,
        passthrough,
        # Last: it answers every other path.
        console,
    ):
        app.include_router(module.router)
    install_error_handlers(app)
    app.add_middleware(Guard)
    return app
