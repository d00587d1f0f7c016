"""Rendered objects must agree with each other, the images, the queues and the settings."""

import re
from collections import Counter

import dockerfile
import settings


def findings(root, objects):
    names = Counter((content["kind"], content["metadata"]["name"]) for content in objects)
    yield from (
        f"there are {count} of {kind} {name}" for (kind, name), count in names.items() if count > 1
    )
    deployments = {
        content["metadata"]["name"]: content
        for content in objects
        if content["kind"] == "Deployment"
    }
    stages = dockerfile.parse((root / "infra/deploy/Dockerfile").read_text())
    for name, deployment in deployments.items():
        accounts = {account for kind, account in names if kind == "ServiceAccount"}
        yield from (
            f"Deployment {name}: {finding}"
            for finding in deployment_findings(root, deployment, stages, accounts)
        )
    for content in objects:
        label = f"{content['kind']} {content['metadata']['name']}"
        yield from (
            f"{label}: {finding}"
            for finding in reference_findings(root, content, deployments, names)
        )


def deployment_findings(root, deployment, stages, accounts):
    template = deployment["spec"]["template"]
    pod, labels = template["spec"], template["metadata"]["labels"]
    [container] = pod["containers"]
    program = labels["app.kubernetes.io/component"]
    if program not in stages or f"/{program}:" not in container["image"]:
        yield f"there is no image {container['image']} of {program}"
    if not deployment["spec"]["selector"]["matchLabels"].items() <= labels.items():
        yield "does not select its own pods"
    if pod["serviceAccountName"] not in accounts:
        yield f"there is no service account {pod['serviceAccountName']}"
    variables = [variable["name"] for variable in container["env"]]
    yield from (f"{name} is set twice" for name, count in Counter(variables).items() if count > 1)
    yield from settings.unknown_variables(root, program, variables)
    values = {variable["name"]: variable.get("value") for variable in container["env"]}
    yield from settings.missing_grace(root, program, pod["terminationGracePeriodSeconds"], values)
    if not pod["securityContext"].get("runAsNonRoot") or container["securityContext"].get(
        "capabilities"
    ) != {"drop": ["ALL"]}:
        yield "may run as root, or with capabilities"
    if not container["securityContext"].get("readOnlyRootFilesystem") or not container["resources"][
        "limits"
    ].get("memory"):
        yield "may write to its image, or has no limit of memory"
    listening = [
        line for line in dockerfile.inherited(stages, program) if "BUCKETLENS__HTTP__LISTEN" in line
    ]
    if f":{container['ports'][0]['containerPort']}" not in " ".join(listening):
        yield "does not listen where its port is"
    # The standby is never ready, so a gentler exchange would never end.
    if (
        program == "ingest"
        and deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] != "100%"
    ):
        yield "an update would wait for the standby to become ready"


def reference_findings(root, content, deployments, names):
    spec = content.get("spec", {})
    if content["kind"] == "ScaledObject":
        target = deployments.get(spec["scaleTargetRef"]["name"])
        if target is None:
            yield f"there is no Deployment {spec['scaleTargetRef']['name']}"
            return
        if "replicas" in target["spec"]:
            yield "its Deployment has a number of replicas, which an upgrade would set again"
        queues = {trigger["metadata"].get("queueName", "") for trigger in spec["triggers"]}
        wanted = worked_queues(root, target)
        if queues != wanted:
            yield f"looks at {sorted(queues)}, but its workers work on {sorted(wanted)}"
        for trigger in spec["triggers"]:
            if ("TriggerAuthentication", trigger["authenticationRef"]["name"]) not in names:
                yield "there is no such TriggerAuthentication"
    selector = spec.get("podSelector" if content["kind"] == "NetworkPolicy" else "selector")
    if selector and content["kind"] != "Deployment":
        wanted = selector.get("matchLabels", selector).items()
        components = [pod["spec"]["template"]["metadata"]["labels"] for pod in deployments.values()]
        # A list of workers may be empty.
        optional = wanted & {("app.kubernetes.io/component", worker) for worker in settings.WORKERS}
        if not optional and not any(wanted <= labels.items() for labels in components):
            yield "selects no pod"


def worked_queues(root, deployment):
    """The queues that workers of this stage consume, by the names that the programs give them."""
    text = (root / "crates/pipeline/src/topology/names.rs").read_text()
    [pod] = deployment["spec"]["template"]["spec"]["containers"]
    namespace = next(
        variable["value"]
        for variable in pod["env"]
        if variable["name"] == "BUCKETLENS__AMQP__NAMESPACE"
    )
    stage = deployment["spec"]["template"]["metadata"]["labels"]["bucketlens/stage"]
    queues = set()
    for kind in ("work_queue", "bulk_queue", "suspect_queue"):
        form = re.search(rf'fn {kind}\(.*?format!\("([^"]+)", self\.namespace\)', text, re.DOTALL)[
            1
        ]
        queues.add(form.replace("{stage}", stage).replace("{}", namespace))
    return queues
