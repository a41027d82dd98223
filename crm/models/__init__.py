from crm.models.account import Account
from crm.models.attachment import Attachment
from crm.models.contact import Contact, ContactRelation
from crm.models.conversation import Conversation
from crm.models.department import Department
from crm.models.instance import Instance
from crm.models.interaction import Interaction
from crm.models.interaction_move import InteractionMove
from crm.models.job import Job
from crm.models.membership import Membership, Role
from crm.models.notice import About, Notice
from crm.models.oauth_attempt import OAuthAttempt
from crm.models.pause import Pause
from crm.models.postal_address import PostalAddress
from crm.models.profile import Profile, ProfileLink, ProfileName
from crm.models.spending import Spending
from crm.models.user import User
from crm.models.workspace import Workspace

__all__ = [
    "About",
    "Account",
    "Attachment",
    "Contact",
    "ContactRelation",
    "Conversation",
    "Department",
    "Instance",
    "Interaction",
    "InteractionMove",
    "Job",
    "Membership",
    "Notice",
    "OAuthAttempt",
    "Pause",
    "PostalAddress",
    "Profile",
    "ProfileLink",
    "ProfileName",
    "Role",
    "Spending",
    "User",
    "Workspace",
]
