"""The satellite's own logic: enrolment at a relay, the inbox, the outbox of its plugins."""
