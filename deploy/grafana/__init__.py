"""The dashboards, written in Python with Grafana's own types.

`make dashboards` writes them to `dashboards/*.json`, which Grafana provisions as they are. Their datasource is a
variable whose first value is the provisioned datasource with the uid `prometheus`; no address stands in them.
"""
