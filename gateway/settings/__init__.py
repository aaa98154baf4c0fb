"""The settings: each subject's sections in a module, all together in :class:`Settings`."""

from gateway.settings.devices import AlarmSettings as AlarmSettings
from gateway.settings.devices import CascadeSettings as CascadeSettings
from gateway.settings.devices import FileSettings as FileSettings
from gateway.settings.devices import Gat1400Settings as Gat1400Settings
from gateway.settings.devices import Gb28181Settings as Gb28181Settings
from gateway.settings.devices import OnvifSettings as OnvifSettings
from gateway.settings.listening import IceServer as IceServer
from gateway.settings.listening import ListenSettings as ListenSettings
from gateway.settings.listening import LiveSettings as LiveSettings
from gateway.settings.listening import LogSettings as LogSettings
from gateway.settings.loading import LoadedSettings as LoadedSettings
from gateway.settings.loading import SettingsError as SettingsError
from gateway.settings.loading import load_settings as load_settings
from gateway.settings.meetings import MeetingSettings as MeetingSettings
from gateway.settings.people import AccountabilitySettings as AccountabilitySettings
from gateway.settings.people import OidcSettings as OidcSettings
from gateway.settings.people import PasswordSettings as PasswordSettings
from gateway.settings.people import SignInSettings as SignInSettings
from gateway.settings.proof import AuditSettings as AuditSettings
from gateway.settings.proof import EvidenceSettings as EvidenceSettings
from gateway.settings.proof import LockedStoreSettings as LockedStoreSettings
from gateway.settings.whole import Settings as Settings
