"""Answers that lie unread in Gradio's queue: few for a session, for the latest sessions, and never the queue's end.

Gradio keeps what it has to say to a session until the session reads it, for the 2,000 sessions that it met last, an
asking one counted from its first question. What it then has to say to one that it forgot is a KeyError, and where that
is how many wait before it, the KeyError ends the task that takes questions off the queue: nobody is answered any more,
while the server looks well. A soak met it after 2,600 requests (docs/log.md); anyone can bring it about.
"""

from typing import Any

from app.engine import FULL

ANSWERS = 8  # that a session may have coming; a page waits for two or three at most


def bound(queue: Any, sessions: int) -> None:
    """Make a ``gradio.queueing.Queue`` forget without harm, and refuse a session that lets its answers lie.

    sessions: how many are remembered, from their last question on; more than may wait, so that none of those is
    forgotten.
    """
    push, send = queue.push, queue.send_message
    known, coming = queue.pending_messages_per_session, queue.pending_event_ids_session
    known.max_size = sessions

    async def push_unless_unread(body: Any, request: Any, username: str | None) -> Any:
        if len(coming.get(body.session_hash, ())) >= ANSWERS:
            return False, FULL, "queue_full"
        if body.session_hash in known:
            known.move_to_end(body.session_hash)
        if len(coming) > sessions:
            for forgotten in coming.keys() - known.keys():
                del coming[forgotten]
        return await push(body, request, username)

    def send_unless_forgotten(event: Any, message: Any) -> None:
        if event.session_hash in known:
            send(event, message)

    queue.push, queue.send_message = push_unless_unread, send_unless_forgotten
