"""A list and a watch become the same changes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from omeflow.kube.store import Change, Store, key_of


def pod(name: str, *, uid: str = "1", node: str = "a") -> dict[str, Any]:
    return {"metadata": {"namespace": "serving", "name": name, "uid": uid}, "spec": {"nodeName": node}}


def summary(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.kind, change.object["metadata"]["name"]) for change in changes]


def test_a_list_tells_the_deletions_that_nobody_saw() -> None:
    store = Store()
    store.replace([pod("kept"), pod("edited"), pod("gone")])
    changes = store.replace([pod("kept"), pod("edited", node="b"), pod("new")])
    assert sorted(summary(changes)) == [("added", "new"), ("deleted", "gone"), ("modified", "edited")]


def test_an_object_made_anew_under_the_same_name_is_another_one() -> None:
    store = Store()
    store.put(pod("chat", uid="1"))
    first, second = store.replace([pod("chat", uid="2")])
    assert (first.kind, first.old, first.new) == ("deleted", pod("chat", uid="1"), None)
    assert (second.kind, second.old, second.new) == ("added", None, pod("chat", uid="2"))


def test_the_same_again_is_no_change() -> None:
    store = Store()
    store.put(pod("chat"))
    assert store.put(pod("chat")) == []
    assert store.remove(("serving", "unknown")) == []


def test_an_index_follows_an_object_to_its_new_key() -> None:
    store = Store()
    store.put(pod("early", node="a"))
    by_node = store.by(lambda obj: [obj["spec"]["nodeName"]])
    store.put(pod("late", node="a"))
    assert {obj["metadata"]["name"] for obj in by_node.get("a")} == {"early", "late"}
    store.put(pod("early", node="b"))
    assert by_node.get("b") == [pod("early", node="b")]
    store.remove(("serving", "late"))
    assert by_node.get("a") == []
    assert by_node.keys() == {"b"}


objects = st.builds(pod, name=st.sampled_from("abc"), uid=st.sampled_from("12"), node=st.sampled_from(["n1", "n2"]))
actions = st.one_of(
    st.tuples(st.just("put"), objects),
    st.tuples(st.just("remove"), objects),
    st.tuples(st.just("replace"), st.lists(objects, max_size=4)),
)


@given(st.lists(actions, max_size=30))
def test_who_follows_the_changes_knows_what_the_store_knows(performed: list[tuple[str, Any]]) -> None:
    store = Store()
    by_node = store.by(lambda obj: [obj["spec"]["nodeName"]])
    mirror: dict[Any, Any] = {}
    for action, argument in performed:
        if action == "remove":
            changes = store.remove(key_of(argument))
        else:
            changes = store.put(argument) if action == "put" else store.replace(argument)
        for change in changes:
            assert mirror.get(key_of(change.object)) == change.old
            if change.new is None:
                del mirror[key_of(change.object)]
            else:
                mirror[key_of(change.object)] = change.new
    assert mirror == {key_of(obj): obj for obj in store}
    assert len(mirror) == len(store)
    for node in ("n1", "n2"):
        expected = [obj for obj in store if obj["spec"]["nodeName"] == node]
        assert sorted(by_node.get(node), key=key_of) == sorted(expected, key=key_of)
