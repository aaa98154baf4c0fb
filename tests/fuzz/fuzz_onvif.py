"""ONVIF: every reader of answers, notifications and discovery datagrams, on whatever comes."""

from __future__ import annotations

import contextlib

from camera_adapters.onvif import device, discovery, events, media, ptz, recordings
from camera_adapters.onvif.addresses import reached_service, reached_stream
from camera_adapters.onvif.event_source import ChannelNames, StateChanges
from camera_adapters.onvif.media import Encoder, Profile
from camera_adapters.onvif.soap import Service, SoapFault, answer_of, parse_date_time
from camera_adapters.onvif.xml_tree import TreeReader, XmlError, namespaces_around, serialise

_PULLED = """<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Body><PullMessagesResponse>
<tev:CurrentTime>2026-01-01T00:00:00Z</tev:CurrentTime><NotificationMessage>
<Topic>tns1:RuleEngine/CellMotionDetector/Motion//.</Topic><Message>
<tt:Message UtcTime="2026-01-01T00:00:00Z" PropertyOperation="Changed"><Source>
<SimpleItem Name="VideoSourceConfigurationToken" Value="1"/></Source><Data>
<SimpleItem Name="IsMotion" Value="true"/></Data></tt:Message></Message></NotificationMessage>
<NotificationMessage><Topic>tns1:Device/Trigger/tnshik:AlarmIn</Topic></NotificationMessage>
</PullMessagesResponse></s:Body></s:Envelope>"""
_PROFILES = """<Envelope><Body><GetProfilesResponse><Profiles token="p"><Name>中</Name>
<VideoSourceConfiguration token="c"><SourceToken>v</SourceToken></VideoSourceConfiguration>
<VideoEncoderConfiguration token="e"><Encoding>H264</Encoding><Resolution><Width>1920</Width>
<Height>1080</Height></Resolution><RateControl><FrameRateLimit>25.0</FrameRateLimit>
<BitrateLimit>4096</BitrateLimit></RateControl><H264><GovLength>50</GovLength></H264>
</VideoEncoderConfiguration></Profiles><Preset token="1"><Name>a</Name></Preset>
<PresetTour token="t"><TourSpot><PresetDetail><PresetToken>1</PresetToken></PresetDetail>
<StayTime>PT1H2M3.5S</StayTime></TourSpot></PresetTour><SystemDateAndTime><TimeZone>
<TZ>CST-8</TZ></TimeZone><UTCDateTime><Time><Hour>1</Hour><Minute>2</Minute><Second>3</Second>
</Time><Date><Year>2026</Year><Month>1</Month><Day>2</Day></Date></UTCDateTime></SystemDateAndTime>
<ResultList><SearchState>Completed</SearchState><Result><Time>2026-01-01T00:00:00Z</Time>
<SimpleItem Name="IsDataPresent" Value="true"/></Result><RecordingInformation>
<RecordingToken>r</RecordingToken></RecordingInformation></ResultList></GetProfilesResponse>
</Body></Envelope>"""
_MATCH = b"""<e:Envelope><e:Body><d:ProbeMatches><d:ProbeMatch><w:EndpointReference><w:Address>u
</w:Address></w:EndpointReference><d:Scopes>onvif://www.onvif.org/name/%E6 x</d:Scopes>
<d:XAddrs>http://[::1]:80/a http://10.0.0.1:99999/b</d:XAddrs></d:ProbeMatch></d:ProbeMatches>
</e:Body></e:Envelope>"""
_FAULT = b"""<s:Envelope><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode>
<s:Value>ter:NotAuthorized</s:Value></s:Subcode></s:Code><s:Reason><s:Text>no</s:Text></s:Reason>
</s:Fault></s:Body></s:Envelope>"""
SEEDS = [
    _PULLED.encode(),
    _PROFILES.encode(),
    b'<?xml version="1.0" encoding="GB2312"?>' + _PROFILES.encode("gb18030"),
    _PROFILES.encode("utf-16"),
    _MATCH,
    _FAULT,
    b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    b"<a>" * 70,
]


def target(data: bytes) -> None:
    discovery.parse_matches(data)
    for match in discovery.parse_matches(data):
        match.service_near("10.0.0.1")
    text = data.decode("utf-8", "replace")
    parse_date_time(text)
    device.seconds_ahead_of_utc(text)
    reached_service(text, "http://10.0.0.1/x")
    with contextlib.suppress(ValueError):
        reached_stream(text, "10.0.0.1")
    reader = TreeReader(1 << 20)
    try:
        for start in range(0, len(data), 61):
            reader.feed(data[start : start + 61])
        root = reader.close()
        answer = answer_of(root)
    except XmlError:
        return
    except SoapFault as fault:
        assert isinstance(fault.not_authorised or fault.not_supported, bool)
        return
    profile = Profile("p", "p", Service.MEDIA, encoder=Encoder("e"))
    for service in (Service.MEDIA, Service.MEDIA2):
        media.choose_streams(media.parse_profiles(answer, service), {})
        media.parse_encoder_choices(answer, service)
    found = media.parse_encoder(answer, profile)
    if found is not None:
        wanted = media.changed_encoder(found[1], {"width": 640, "codec": "h264"})
        media.set_encoder(answer, found[0], profile, wanted)
    for reading in (
        media.parse_uri,
        media.parse_titles,
        device.parse_system_date_and_time,
        device.parse_device_information,
        device.parse_services,
        device.parse_capabilities,
        device.parse_scopes,
        ptz.parse_presets,
        ptz.parse_status,
        ptz.parse_node,
        ptz.parse_preset_tours,
        events.parse_subscription,
        recordings.parse_recordings,
        recordings.is_completed,
    ):
        reading(answer)  # type: ignore[operator]
    states = recordings.parse_track_states(answer)
    recordings.ranges_of(states, ["video"], 0, 1 << 50)
    changes = StateChanges()
    names = ChannelNames({"c": "v"}, ["v", "w"])
    for one in events.parse_pulled(answer).notifications:
        channel = names.code_of(events.video_source_of(one))
        event = events.device_event(one, channel=channel, arrival_us=0, offset_us=0)
        if event is not None:
            changes.news(event)
    serialise(answer, namespaces_around(root, answer))
