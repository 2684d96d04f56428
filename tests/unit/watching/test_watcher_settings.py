"""Which Lease a watcher wants."""

from workers.settings import Settings


def test_watchers_of_the_same_namespaces_want_the_same_lease() -> None:
    assert Settings().lease_name == "omeflow-watcher"
    both = Settings(namespaces=("staging", "serving")).lease_name
    assert (
        both == Settings(namespaces=("serving", "staging", "serving")).lease_name == "omeflow-watcher-serving.staging"
    )
    assert both != Settings(namespaces=("serving",)).lease_name


def test_the_name_of_a_lease_stays_short_enough() -> None:
    many = tuple(f"team-{number}" for number in range(100))
    assert len(Settings(namespaces=many).lease_name) < 253
    assert Settings(namespaces=many).lease_name != Settings(namespaces=many[1:]).lease_name
