"""What a team takes into its cluster: manifests for kustomize, dashboards, the image.

The Python here writes parts of that (`deploy.grafana`, `deploy.rules`) and is never installed with Receiver.
"""
