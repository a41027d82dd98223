"""What each method of the Bluesky stand-in does. Importing this module fills its table."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from typing import Any

import regex

from tests.standins.bluesky_server import FULL, METHODS, POST, Call, Refused, Row

TID = re.compile(r"[234567a-j][234567a-z]{12}")
Method = Callable[[Call], Row]


def method(name: str) -> Callable[[Method], Method]:
    def keep(function: Method) -> Method:
        METHODS[name] = function
        return function

    return keep


@method("com.atproto.server.createSession")
def create_session(call: Call) -> Row:
    network, name = call.network, call.body["identifier"]
    network.logins += 1
    for person in network.people.values():
        scope = person.passwords.get(call.body["password"])
        if name in (person.handle, person.did) and scope:
            return network.session(person.did, scope)
    raise Refused(401, "AuthenticationRequired", "Invalid identifier or password")


@method("com.atproto.server.refreshSession")
def refresh_session(call: Call) -> Row:
    assert call.token
    return call.network.session(call.us, call.token["scope"])


@method("com.atproto.identity.resolveHandle")
def resolve_handle(call: Call) -> Row:
    for person in call.network.people.values():
        if person.handle == call.query["handle"]:
            return {"did": person.did}
    raise Refused(400, "InvalidRequest", "Unable to resolve handle")


@method("com.atproto.repo.getRecord")
def get_record(call: Call) -> Row:
    uri = f"at://{call.query['repo']}/{call.query['collection']}/{call.query['rkey']}"
    if uri not in call.network.records:
        # Only the server that keeps an account uses the special code.
        is_ours = call.us in ("", call.query["repo"])
        code = "RecordNotFound" if is_ours else "InvalidRequest"
        raise Refused(400, code, f"Could not locate record: {uri}")
    stored = call.network.records[uri]
    return {"uri": uri, "cid": stored["cid"], "value": stored["value"]}


@method("com.atproto.repo.createRecord")
def create_record(call: Call) -> Row:
    body = call.body
    _check_owner(call)
    if not TID.fullmatch(body["rkey"]):
        raise Refused(400, "InvalidRequest", "Invalid record key")
    if f"at://{call.us}/{body['collection']}/{body['rkey']}" in call.network.records:
        raise Refused(500, "InternalServerError", "Internal Server Error")
    if body["collection"] == POST:
        text = body["record"]["text"]
        if text_length(text) > 300:
            raise Refused(
                400, "InvalidRequest", "Record/text must not be longer than 300 graphemes"
            )
    return call.network.store(call.us, body["collection"], body["rkey"], body["record"])


@method("com.atproto.repo.putRecord")
def put_record(call: Call) -> Row:
    body = call.body
    _check_owner(call)
    known = call.network.records.get(f"at://{call.us}/{body['collection']}/{body['rkey']}")
    if "swapRecord" in body and body["swapRecord"] != (known["cid"] if known else None):
        raise Refused(400, "InvalidSwap")
    return call.network.store(call.us, body["collection"], body["rkey"], body["record"])


@method("com.atproto.repo.deleteRecord")
def delete_record(call: Call) -> Row:
    _check_owner(call)
    uri = f"at://{call.us}/{call.body['collection']}/{call.body['rkey']}"
    call.network.records.pop(uri, None)
    return {}


@method("com.atproto.repo.uploadBlob")
def upload_blob(call: Call) -> Row:
    content = call.body["blob"]
    call.network.blobs.append(content)
    link = hashlib.sha256(content).hexdigest()[:20]
    kind = call.body["type"]
    ref = {"$link": link}
    return {"blob": {"$type": "blob", "ref": ref, "mimeType": kind, "size": len(content)}}


@method("com.atproto.moderation.createReport")
def create_report(call: Call) -> Row:
    call.network.reports.append(call.body)
    return {"id": len(call.network.reports)}


@method("app.bsky.notification.listNotifications")
def list_notifications(call: Call) -> Row:
    rows = [row for row in call.network.seen_by(call.us) if _reason(call, row)]

    def show(row: Row) -> Row:
        view = call.network.post_view(row["uri"], call.us)
        view.pop("embed", None)
        return view | {"reason": _reason(call, row), "isRead": False}

    return call.page(rows, "notifications", show)


@method("app.bsky.feed.searchPosts")
def search_posts(call: Call) -> Row:
    words = [word.strip('"').lower() for word in re.findall(r'"[^"]*"|\S+', call.query["q"])]
    rows = [
        row
        for row in call.network.seen_by(call.us)
        if all(word in row["value"]["text"].lower() for word in words)
    ]
    return call.page(rows, "posts", lambda row: call.network.post_view(row["uri"], call.us))


@method("app.bsky.feed.getAuthorFeed")
def get_author_feed(call: Call) -> Row:
    head = f"at://{call.query['actor']}/"
    rows = [row for row in call.network.seen_by(call.us) if row["uri"].startswith(head)]
    return call.page(
        rows, "feed", lambda row: {"post": call.network.post_view(row["uri"], call.us)}
    )


@method("app.bsky.feed.getPosts")
def get_posts(call: Call) -> Row:
    asked = call.lists["uris"]
    if len(asked) > 25:
        raise Refused(400, "InvalidRequest", "uris must not have more than 25 elements")
    there = {row["uri"] for row in call.network.seen_by(call.us)}
    return {"posts": [call.network.post_view(uri, call.us) for uri in asked if uri in there]}


@method("app.bsky.feed.getPostThread")
def get_post_thread(call: Call) -> Row:
    rows = list(call.network.seen_by(call.us))
    if call.query["uri"] not in {row["uri"] for row in rows}:
        raise Refused(400, "NotFound", "Post not found")

    def node(uri: str) -> Row:
        answers = [row for row in rows if _parent(row) == uri]
        return {
            "$type": "app.bsky.feed.defs#threadViewPost",
            "post": call.network.post_view(uri, call.us),
            "replies": [node(row["uri"]) for row in answers],
        }

    return {"thread": node(call.query["uri"])}


@method("app.bsky.actor.getProfiles")
def get_profiles(call: Call) -> Row:
    asked = call.lists["actors"]
    if len(asked) > 25:
        raise Refused(400, "InvalidRequest", "actors must not have more than 25 elements")
    known = call.network.people
    return {"profiles": [_profile(call, did) for did in asked if did in known]}


@method("app.bsky.actor.getProfile")
def get_profile(call: Call) -> Row:
    for did, person in call.network.people.items():
        if call.query["actor"] in (did, person.handle):
            return _profile(call, did)
    raise Refused(400, "InvalidRequest", "Profile not found")


@method("chat.bsky.convo.listConvos")
def list_convos(call: Call) -> Row:
    mine = [each for each in call.network.convos.values() if call.us in each["members"]]
    mine.sort(key=lambda each: each["rev"], reverse=True)
    cursor = call.query.get("cursor", "~")
    cut = [each for each in mine if each["rev"] < cursor][: int(call.query.get("limit", 50))]
    shown = [{"id": each["id"], "rev": each["rev"], "members": []} for each in cut]
    return {"convos": shown} | ({"cursor": cut[-1]["rev"]} if cut else {})


@method("chat.bsky.convo.getMessages")
def get_messages(call: Call) -> Row:
    limit = int(call.query.get("limit", 50))
    return {"messages": call.network.convos[call.query["convoId"]]["messages"][::-1][:limit]}


@method("chat.bsky.convo.getLog")
def get_log(call: Call) -> Row:
    after = call.query.get("cursor", "")
    mine = {each["id"] for each in call.network.convos.values() if call.us in each["members"]}
    logs = [each for each in call.network.log if each["convoId"] in mine and each["rev"] > after]
    return {"logs": logs[:50], "cursor": logs[:50][-1]["rev"] if logs else after}


@method("chat.bsky.convo.getConvoForMembers")
def get_convo_for_members(call: Call) -> Row:
    if any(call.network.people[did].refuses_messages for did in call.lists["members"]):
        raise Refused(400, "MessagesDisabled", "recipient has disabled incoming messages")
    return {"convo": {"id": call.network.convo(call.us, *call.lists["members"])["id"]}}


@method("chat.bsky.convo.sendMessage")
def send_message(call: Call) -> Row:
    convo = call.network.convos[call.body["convoId"]]
    return call.network.message(convo, call.us, call.body["message"]["text"])


def text_length(text: str) -> int:
    """Return the length of a text: its graphemes, or a tenth of its bytes if that is more.

    So the limit 300 stands for both limits of the network: 300 graphemes and 3,000 bytes.
    """
    return max(len(regex.findall(r"\X", text)), math.ceil(len(text.encode()) / 10))


def _check_owner(call: Call) -> None:
    if call.body["repo"] != call.us or (call.token and call.token["scope"] == FULL):
        raise Refused(401, "AuthenticationRequired")


def _profile(call: Call, did: str) -> Row:
    return call.network.short(did) | call.network.people[did].profile


def _reason(call: Call, row: Row) -> str:
    """Return why a post notifies the account, or "" if it does not."""
    ours = f"at://{call.us}/"
    if row["uri"].startswith(ours):
        return ""
    facets: list[Any] = row["value"].get("facets", [])
    if any(feature.get("did") == call.us for facet in facets for feature in facet["features"]):
        return "mention"
    if _parent(row).startswith(ours):
        return "reply"
    quoted = row["value"].get("embed", {}).get("record", {}).get("uri", "")
    return "quote" if quoted.startswith(ours) else ""


def _parent(row: Row) -> str:
    return str(row["value"].get("reply", {}).get("parent", {}).get("uri", ""))
