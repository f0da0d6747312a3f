"""Old kafka-clients libraries, as applications still carry them: admin calls, every codec, groups with both isolation levels."""
from harness import clients
from harness.context import Context
from harness.install import OLD_CLIENTS, need
from harness.shell import run as run_program


def run(context: Context) -> None:
    versions = list(OLD_CLIENTS)[:1] if context.quick else list(OLD_CLIENTS)
    with context.broker("old-clients") as broker:
        for version in versions:
            context.check(f"java {version}", "admin, codecs, groups", one, broker, version)


def one(broker, version: str) -> str:
    need("old-java")
    said = run_program(clients.old_java(version, "Old", broker.bootstrap, f"old-{version}"), timeout=180).stdout
    return f"{said.decode().strip()} records"
