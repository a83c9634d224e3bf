"""The console: the pages that a person on call keeps open, from `/` on.

Each module answers the paths of one page: it asks the store what the API asks it, and has a template say it. A form
asks for something by the very function that the API calls. Here belong templates, the stylesheet, drawings and the
order in which things are shown; no question to the database is written here, and nothing acts. Whatever comes from an
alert is shown as text: the templates escape everything, and no page loads anything from elsewhere.
"""
