"""What the sign-in page asks, and signing in at the county's identity provider."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field, field_validator

from gateway.api.access import client_address, find_caller, require_full_sign_in
from gateway.api.account_answers import Redirection, SignInPage
from gateway.api.cookies import OIDC_COOKIE, set_cookie
from gateway.api.desks import desk_documents
from gateway.api.errors import ApiError, not_found, unavailable
from gateway.api.opening import desk_here, give_session, opening_of, too_many
from gateway.api.services import Services, ServicesDep
from gateway.api.taking_over import leave_to
from gateway.audit import AuditRecord, append
from gateway.audit import act as act_and_append
from gateway.database.account_tables import identities
from gateway.database.tables import sign_in_sessions, users
from gateway.identifiers import now_us
from gateway.people.account_rows import name_key
from gateway.people.sign_in import (
    Lifetime,
    TooManyAttempts,
    count_attempt,
    find_principal,
    new_token,
    token_hash,
)
from recorder.rows import RowError

if TYPE_CHECKING:
    from gateway.people.oidc import Identity, Pending, Provider

router = APIRouter(prefix="/api/sign-in", tags=["session"])

_log = structlog.get_logger(__name__)

_CALLBACK = "/api/sign-in/oidc/callback"
_COOKIE_PATH = "/api/sign-in"
# A path of this console: no host, no backslash that browsers take for one.
_LOCAL_PATH = re.compile(r"^/(?![/\\])[A-Za-z0-9/_\-?=&.%]*$")


class OidcForm(BaseModel):
    """Where to come back to. ``link`` joins the identity to the account that is signed in."""

    return_to: str = Field(default="/", max_length=500)
    link: bool = False

    @field_validator("return_to")
    @classmethod
    def _local(cls, value: str) -> str:
        if _LOCAL_PATH.match(value) is None:
            raise ValueError("a path of this console, such as /wall")
        return value


@router.get("", response_model=SignInPage)
async def read_sign_in_page(request: Request, services: ServicesDep) -> dict[str, Any]:
    """By what means people can sign in, in this browser."""
    oidc = services.settings.oidc
    async with services.reader.connect() as connection:
        desk = await desk_here(connection, request)
        documents = await desk_documents(connection, services, [desk]) if desk is not None else []
    return {
        "oidc": {"name": oidc.name} if oidc.issuer is not None else None,
        "desk": documents[0] if documents else None,
    }


@router.post("/oidc", response_model=Redirection)
async def begin_oidc(
    body: OidcForm, request: Request, response: Response, services: ServicesDep
) -> dict[str, str]:
    """Begin at the identity provider: go to ``url``."""
    from gateway.people.oidc import PENDING_S, OidcError

    provider = _provider(services)
    await _count(request, services)
    link_session = None
    if body.link:
        caller = await find_caller(request, services)
        if caller is None or caller.kind != "person" or caller.must_change_password:
            raise ApiError(401, "sign_in_required", "sign in first")
        require_full_sign_in(caller)
        link_session = caller.token_hash
    base = services.settings.public_url or str(request.base_url)
    opening = await opening_of(request, services)
    try:
        url, pending = await provider.begin(
            base.rstrip("/") + _CALLBACK,
            body.return_to,
            link_session=link_session,
            replaces=opening.replaces,
            desk_id=opening.desk_id,
        )
    except OidcError as error:
        raise unavailable(str(error)) from None
    # Not strict: the browser comes back from a foreign site.
    set_cookie(
        request, response, OIDC_COOKIE, pending.sealed(services.secret),
        max_age_s=PENDING_S, path=_COOKIE_PATH, same_site="lax",
    )  # fmt: skip
    return {"url": url}


@router.get("/oidc/callback", response_class=RedirectResponse, status_code=303)
async def finish_oidc(request: Request, services: ServicesDep) -> Response:
    """Back from the identity provider: open a session, or join the identity to an account."""
    from gateway.people.oidc import OidcError, Pending

    try:
        provider = _provider(services)
        await _count(request, services)
        pending = Pending.unsealed(services.secret, request.cookies.get(OIDC_COOKIE, ""))
        identity = await provider.finish(pending, dict(request.query_params))
        if pending.link_session is not None:
            await _link(request, services, pending.link_session, identity)
            response: Response = RedirectResponse(pending.return_to, 303)
        else:
            user_id = await _account_of(request, services, identity)
            response = RedirectResponse(pending.return_to, 303)
            await _open(request, response, services, user_id, pending)
    except (OidcError, RowError, ApiError) as error:
        code = error.code if error.code in _PAGE_CODES else "oidc_refused"
        _log.warning("sign-in at the identity provider failed", code=code, why=str(error))
        refused = AuditRecord(
            "session.refused",
            address=client_address(request),
            detail={"why": code, "message": str(error)[:300]},
        )
        if services.refused_sign_ins.is_first("oidc", client_address(request), code):
            await append(services.rows, [refused])
        response = RedirectResponse(f"/sign-in?error={code}", 303)
    # Good for one return only.
    response.delete_cookie(OIDC_COOKIE, path=_COOKIE_PATH)
    return response


_PAGE_CODES = frozenset(
    {
        "oidc_refused",
        "oidc_unknown_account",
        "oidc_unavailable",
        "oidc_expired",
        "account_disabled",
        "identity_taken",
        "too_many_attempts",
    }
)


def _provider(services: Services) -> Provider:
    from gateway.people.oidc import Provider

    if services.settings.oidc.issuer is None:
        raise not_found("identity provider")
    if services.identity_provider is None:
        services.identity_provider = Provider(services.settings.oidc)
    return services.identity_provider


async def _count(request: Request, services: Services) -> None:
    """Nobody shall have the gateway ask the provider all the time."""
    limits = services.settings.sign_in
    key = f"oidc:{client_address(request)}"
    try:
        await count_attempt(services.rows, limits, {key: limits.attempts * 20})
    except TooManyAttempts as error:
        raise too_many(error) from None


async def _account_of(request: Request, services: Services, identity: Identity) -> str:
    """The account that this identity opens. Raises ApiError for none."""
    table = identities.c
    async with services.reader.connect() as connection:
        user_id: str | None = await connection.scalar(
            sa.select(table.user_id).where(
                table.issuer == identity.issuer, table.subject == identity.subject
            )
        )
        if user_id is not None:
            return user_id
        named = (
            await connection.execute(
                sa.select(
                    users.c.id,
                    sa.exists()
                    .where(table.user_id == users.c.id, table.issuer == identity.issuer)
                    .label("joined"),
                ).where(users.c.name_key == name_key(identity.name), users.c.deleted_us.is_(None))
            )
        ).one_or_none()
    how = services.settings.oidc.accounts
    if named is not None and how == "by_name" and identity.name and not named.joined:
        await _join(request, services, named.id, identity, "oidc.by_name")
        return str(named.id)
    if how != "created" or named is not None or not identity.name:
        raise ApiError(403, "oidc_unknown_account", "no account belongs to this identity")
    return await _create(request, services, identity)


async def _create(request: Request, services: Services, identity: Identity) -> str:
    record = AuditRecord(
        "user.create",
        address=client_address(request),
        detail={"name": identity.name[:100], "by": "oidc", "issuer": identity.issuer},
    )
    user_id = await act_and_append(
        services.rows,
        "accounts.create",
        {
            "name": identity.name[:100],
            "display_name": identity.display_name or identity.name[:100],
            "password_hash": "",
            "must_change_password": False,
            "granted": [],
        },
        [record],
        result_as="id",
    )
    await _join(request, services, str(user_id), identity, "oidc.created")
    return str(user_id)


async def _link(
    request: Request, services: Services, link_session: str, identity: Identity
) -> None:
    """Join the identity to the account whose session began this, if that is still open."""
    async with services.reader.connect() as connection:
        user_id = await connection.scalar(
            sa.select(sign_in_sessions.c.user_id).where(
                sign_in_sessions.c.token_hash == link_session,
                sign_in_sessions.c.expires_us > now_us(),
            )
        )
    if user_id is None:
        raise ApiError(401, "oidc_expired", "the sign-in that began this has ended")
    await _join(request, services, user_id, identity, "account")


async def _join(
    request: Request, services: Services, user_id: str, identity: Identity, how: str
) -> None:
    record = AuditRecord(
        "account.identity",
        user_id=user_id,
        address=client_address(request),
        detail={"issuer": identity.issuer, "subject": identity.subject, "how": how},
    )
    await act_and_append(
        services.rows,
        "identities.link",
        {
            "issuer": identity.issuer,
            "subject": identity.subject,
            "user_id": user_id,
            "name": identity.name or identity.subject,
        },
        [record],
    )


async def _open(
    request: Request, response: Response, services: Services, user_id: str, pending: Pending
) -> None:
    opening = await opening_of(request, services)
    token = new_token()
    async with services.reader.connect() as connection:
        row = (
            await connection.execute(
                sa.select(users.c.name, users.c.enabled).where(users.c.id == user_id)
            )
        ).one()
    if not row.enabled:
        raise ApiError(403, "account_disabled", "this account is disabled")
    record = AuditRecord(
        "session.open",
        user_id=user_id,
        user_name=row.name,
        address=opening.address,
        detail={"method": "oidc", "issuer": services.settings.oidc.issuer},
    )
    await services.rows.write(
        "sign_in.open",
        user_id=user_id,
        token_hash=token_hash(token),
        expires_us=now_us() + Lifetime.of(services.settings.sign_in).idle_us,
        address=opening.address,
        user_agent=opening.user_agent,
        forgive=[],
        give_back=[f"oidc:{opening.address}"],
        method="oidc",
        desk_id=pending.desk_id,
        replaces=pending.replaces,
        records=[record.to_message()],
    )
    principal = await find_principal(services.reader, token, services.settings)
    if principal is None:
        raise ApiError(403, "account_disabled", "this account is disabled")
    if pending.replaces is not None:
        await leave_to(services, request, pending.replaces, principal)
    give_session(request, response, services, token, known_name=principal.name)
