"""What a lower platform answers to the one above it (GB/T 28181-2016 §9.3–9.5, §9.11). Sans-IO.

:func:`respond` judges one MANSCDP document: it gives the documents to send back, or says what is
to be done, or why it is refused. A platform above is told of nothing that is not shared with it:
such a code is answered as one that does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from camera_adapters.gb28181 import (
    alarm,
    catalog,
    device_control,
    device_information,
    media_status,
    record_information,
)
from camera_adapters.gb28181.catalog import CatalogQuery
from camera_adapters.gb28181.device_control import (
    ANSWERED,
    Control,
    DeviceControl,
    DeviceControlError,
    DragZoom,
    Guard,
    HomePosition,
    PrecisePosition,
    Record,
    ResetAlarm,
    Restart,
    SendKeyframe,
    Steer,
)
from camera_adapters.gb28181.device_information import (
    BasicConfiguration,
    DeviceInformation,
    DeviceStatus,
    Presets,
)
from camera_adapters.gb28181.envelope import Envelope, Outcome
from camera_adapters.gb28181.record_information import RecordPage, RecordQuery
from camera_adapters.gb28181.shared_catalog import SharedCamera, SharedCatalog
from camera_adapters.gb28181.steering import Auxiliary, Lens, Move, Preset
from camera_adapters.gb28181.xml_bodies import Element

# Items of a page: small enough for one UDP datagram of 1,400 bytes each two (Annex N), and
# larger ones over TCP.
UDP_ITEMS_PER_PAGE = 2
TCP_ITEMS_PER_PAGE = 100
RECORDS_PER_PAGE = 4


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a platform above may do beside watching live."""

    may_playback: bool = False
    may_download: bool = False
    may_steer: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """What we say of ourselves; our name is the shared catalogue's."""

    manufacturer: str = "gridsight"
    model: str = "gridsight"
    firmware: str = ""
    expires_s: int = 86_400
    keepalive_s: int = 60


@dataclass(frozen=True, slots=True)
class Send:
    """MESSAGEs to send back, in order, each after the answer to the one before it."""

    documents: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Carry:
    """A permitted command to a camera; ``answer`` is the Response if one is owed."""

    camera: SharedCamera
    control: Control
    priority: int
    answer: Element | None = None


@dataclass(frozen=True, slots=True)
class FindRecordings:
    """Recordings are asked for: answer with :func:`recordings_answer`."""

    camera: SharedCamera
    query: RecordQuery


@dataclass(frozen=True, slots=True)
class FindPresets:
    """Presets are asked for: answer with :class:`.device_information.Presets`."""

    camera: SharedCamera
    serial_number: int


@dataclass(frozen=True, slots=True)
class Nothing:
    """Taken note of; nothing follows."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """``status`` answers the SIP request; ``answer`` is a Response to send after a 200 instead.

    ``code`` is stable: ``not_shared``, ``not_granted``, ``unsupported``, ``malformed``.
    """

    status: int
    code: str
    detail: str
    camera: SharedCamera | None = None
    answer: Element | None = None


Decision = Send | Carry | FindRecordings | FindPresets | Nothing | Refuse


def respond(
    envelope: Envelope,
    shared: SharedCatalog,
    permissions: Permissions,
    identity: Identity,
    *,
    now_us: int,
    items_per_page: int = UDP_ITEMS_PER_PAGE,
) -> Decision:
    """What to do with a document from above."""
    if envelope.category == "Query":
        return _respond_to_query(envelope, shared, permissions, identity, now_us, items_per_page)
    if envelope.category == "Control":
        if envelope.command != device_control.COMMAND:
            return _unsupported(envelope)
        return _judge_control(envelope, shared, permissions)
    if envelope.category == "Response" or envelope.command == media_status.COMMAND:
        return Nothing()
    return _unsupported(envelope)


def recordings_answer(
    query: RecordQuery,
    camera: SharedCamera,
    stretches: list[tuple[int, int]],
    records_per_page: int = RECORDS_PER_PAGE,
) -> list[RecordPage]:
    """The pages for our own recordings, [start_us, end_us) each."""
    items = [
        record_information.RecordItem(camera.code, start_us, end_us, camera.name)
        for start_us, end_us in stretches
    ]
    return list(
        record_information.pages(
            query.serial_number, camera.code, camera.name, items, records_per_page
        )
    )


def presets_answer(serial_number: int, camera: SharedCamera, names: Mapping[int, str]) -> Element:
    """The Response to a query for presets."""
    return Presets(serial_number, camera.code, dict(names)).to_element()


def _respond_to_query(
    envelope: Envelope,
    shared: SharedCatalog,
    permissions: Permissions,
    identity: Identity,
    now_us: int,
    items_per_page: int,
) -> Decision:
    code, number = envelope.device_id, envelope.serial_number
    ours = code in ("", shared.platform_code, shared.group_code)
    camera = shared.cameras.get(code)
    if envelope.command == catalog.COMMAND:
        items = shared.beneath(CatalogQuery.read(envelope).device_id)
        if items is None:
            return _not_shared(code)
        named = code or shared.platform_code
        pages = catalog.pages(number, named, items, items_per_page)
        return Send(tuple(page.to_element() for page in pages))
    if not ours and camera is None:
        return _not_shared(code)
    if envelope.command == device_information.INFORMATION:
        return Send((_information(number, shared, identity, camera).to_element(),))
    if envelope.command == device_information.STATUS:
        return Send((_status(number, shared, camera, now_us).to_element(),))
    if envelope.command == device_information.CONFIGURATION:
        return Send(
            (
                BasicConfiguration(
                    number,
                    code or shared.platform_code,
                    camera.name if camera else shared.name,
                    identity.expires_s,
                    identity.keepalive_s,
                    3,
                ).to_element(),
            )
        )
    if camera is not None and envelope.command == record_information.COMMAND:
        return _judge_record_query(envelope, camera, permissions)
    if camera is not None and envelope.command == device_information.PRESETS:
        if not permissions.may_steer:
            return Send((presets_answer(number, camera, {}),))
        return FindPresets(camera, number)
    if envelope.command == alarm.COMMAND:
        return Nothing()
    return _unsupported(envelope)


def _judge_record_query(
    envelope: Envelope, camera: SharedCamera, permissions: Permissions
) -> Decision:
    query = RecordQuery.read(envelope)
    if query is None or query.end_us <= query.start_us:
        return Refuse(400, "malformed", "StartTime and EndTime are no range of times", camera)
    if not (permissions.may_playback or permissions.may_download):
        # An empty list, not silence: the asker waits for one.
        pages = recordings_answer(query, camera, [])
        return Refuse(
            200, "not_granted", "recordings are not granted", camera, pages[0].to_element()
        )
    return FindRecordings(camera, query)


def _judge_control(envelope: Envelope, shared: SharedCatalog, permissions: Permissions) -> Decision:
    camera = shared.cameras.get(envelope.device_id)
    try:
        control = DeviceControl.read(envelope).control
    except DeviceControlError as error:
        return Refuse(400, "malformed", str(error), camera)
    refused = _control_refusal(control, camera is not None, permissions)
    if refused is not None:
        status, code, detail = refused
        answer = None
        if isinstance(control, ANSWERED):
            status, answer = 200, _outcome(envelope, ok=False, reason=detail)
        return Refuse(status, code, detail, camera, answer)
    if camera is None:
        return _not_shared(envelope.device_id)
    priority = control.priority if isinstance(control, Steer) else device_control.LAST_PRIORITY
    answer = _outcome(envelope, ok=True) if isinstance(control, ANSWERED) else None
    return Carry(camera, control, priority, answer)


def _control_refusal(
    control: Control, is_shared: bool, permissions: Permissions
) -> tuple[int, str, str] | None:
    if isinstance(control, Restart):
        return 403, "not_granted", "no platform above restarts anything here"
    if isinstance(control, Record | Guard | ResetAlarm):
        return 403, "not_granted", "recording and alarms are this platform's own"
    if not is_shared:
        return 404, "not_shared", "there is no such camera"
    if isinstance(control, SendKeyframe):
        return None
    if isinstance(control, DragZoom | HomePosition):
        return 403, "unsupported", "drag zoom and home positions are not carried upwards"
    if isinstance(control, Steer | PrecisePosition) and not permissions.may_steer:
        return 403, "not_granted", "steering is not granted"
    return None


def _information(
    number: int, shared: SharedCatalog, identity: Identity, camera: SharedCamera | None
) -> DeviceInformation:
    if camera is not None:
        return DeviceInformation(
            number,
            camera.code,
            name=camera.name,
            manufacturer=camera.manufacturer or identity.manufacturer,
            model=camera.model,
            channels=1,
        )
    return DeviceInformation(
        number,
        shared.platform_code,
        name=shared.name,
        manufacturer=identity.manufacturer,
        model=identity.model,
        firmware=identity.firmware,
        channels=len(shared.cameras),
    )


def _status(
    number: int, shared: SharedCatalog, camera: SharedCamera | None, now_us: int
) -> DeviceStatus:
    online = camera is None or camera.online
    return DeviceStatus(
        number,
        camera.code if camera else shared.platform_code,
        online=online,
        working=online,
        encoding=online,
        device_time_us=now_us,
    )


def _outcome(envelope: Envelope, *, ok: bool, reason: str = "") -> Element:
    return Outcome(
        envelope.command, envelope.serial_number, envelope.device_id, ok, reason
    ).to_element()


def _not_shared(code: str) -> Refuse:
    return Refuse(404, "not_shared", f"there is no {code[:32] or 'device'} here")


def _unsupported(envelope: Envelope) -> Refuse:
    return Refuse(
        488, "unsupported", f"{envelope.category} {envelope.command} is not understood here"
    )


def is_keyframe(control: Control) -> bool:
    """Whether a keyframe is asked for."""
    return isinstance(control, SendKeyframe)


def is_carried(control: Control) -> bool:
    """Whether this is a command that is carried at all: keyframes, and steering by PTZCmd that
    changes nothing lasting.
    """
    if isinstance(control, SendKeyframe):
        return True
    if not isinstance(control, Steer):
        return False
    command = control.command
    if isinstance(command, Preset):
        return command.action == "call"
    return isinstance(command, Move | Lens | Auxiliary)
