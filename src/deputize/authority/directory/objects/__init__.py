"""What administrators set up: one model for each kind of object.

Each is the entry of an environment file, the stored document, and what the snapshot is made of.
"""

from deputize.authority.directory.objects.agent import AgentObject
from deputize.authority.directory.objects.agreement import AgreementHistory, AgreementObject
from deputize.authority.directory.objects.directory_object import AuthenticatingObject, DirectoryObject
from deputize.authority.directory.objects.environment import (
    LISTS,
    OBJECTS,
    EnvironmentFile,
    EnvironmentObject,
)
from deputize.authority.directory.objects.policy import PolicyObject
from deputize.authority.directory.objects.registration import AgentTemplate, RegistrationObject
from deputize.authority.directory.objects.resource import MAPPINGS, ResourceObject
from deputize.authority.directory.objects.user import ADMINISTRATORS, MANAGEMENT, Role, UserObject
from deputize.oauth.records.settings import DEFAULT_POLICY

__all__ = (
    "ADMINISTRATORS",
    "DEFAULT_POLICY",
    "LISTS",
    "MANAGEMENT",
    "MAPPINGS",
    "OBJECTS",
    "AgentObject",
    "AgentTemplate",
    "AgreementHistory",
    "AgreementObject",
    "AuthenticatingObject",
    "DirectoryObject",
    "EnvironmentFile",
    "EnvironmentObject",
    "PolicyObject",
    "RegistrationObject",
    "ResourceObject",
    "Role",
    "UserObject",
)
