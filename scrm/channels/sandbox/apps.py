from django.apps import AppConfig


class SandboxConfig(AppConfig):
    name = "scrm.channels.sandbox"
    label = "sandbox"
    verbose_name = "Sandbox"
