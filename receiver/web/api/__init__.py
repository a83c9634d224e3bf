"""The paths under `/api/v1`, one module a noun: each handler reads its parameters, asks once and gives a typed answer.

Here belong the shapes that programs rely on, with a description for every field, since the OpenAPI document is made of
them. What a question costs and how it is answered is known to the store alone; a shape never leaves this package.
"""
