"""Postgres: the only room that knows SQL.

Here live the tables, the named statements, the way from a row to a noun, the queue of jobs and the embedded server.
Whoever changes something opens a `Database.transaction()` and hands it to functions of this room, so that a change, its
line in the timeline and the job that follows it are committed together or not at all. What a change *means* is decided
elsewhere, in `model` and by the pipeline; types of SQLAlchemy, psycopg and procrastinate do not leave this room, save
the transaction that is passed back into it.
"""
