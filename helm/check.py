"""Static checks of the chart; check.sh calls it, from the top folder. Each function whose name begins with `check_` is one line of TAP or more."""
import copy, glob, json, os, re, subprocess, sys, tempfile
import yaml

CHART = "helm/latency-aware-scheduler"
RELEASE, NAMESPACE = "latency-aware-scheduler", "latency-scheduler"
MONITORING = ("--api-versions", "monitoring.coreos.com/v1")
CLUSTER_SCOPED = {"ClusterRole", "ClusterRoleBinding", "PersistentVolume", "PriorityClass", "Namespace"}
EXTENDER = ("--set", "mode=extender")
HEALING = ("--set", "healing.enabled=true")
ALONE = EXTENDER + ("--set", "extender.kubeScheduler.enabled=false")
count = failed = 0


def report(title, problems):
    global count, failed
    count += 1
    print(f"{'not ok' if problems else 'ok'} {count} - {title}")
    for problem in problems:
        print(f"# {problem}")
    failed += bool(problems)
    sys.stdout.flush()


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def helm(*words):
    return run(os.environ["HELM"], *words)


def parse(text):
    return [o for o in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if o]


def text_of(*words, release=RELEASE, namespace=NAMESPACE):
    status, out, err = helm("template", release, CHART, "--namespace", namespace, *MONITORING, *words)
    if status:
        raise RuntimeError(err.strip())
    return out


def template(*words, **names):
    return parse(text_of(*words, **names))


def ci_files():
    return sorted(glob.glob("helm/ci/*.yaml"))


def load(path):
    with open(path) as f:
        return yaml.safe_load(f)


def name_of(o):
    return f"{o['kind']}/{o['metadata']['name']}"


def pod_spec(o):
    if o["kind"] == "Pod":
        return o["spec"]
    if o["kind"] == "CronJob":
        return o["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    if o["kind"] in ("Deployment", "DaemonSet", "Job"):
        return o["spec"]["template"]["spec"]
    return None


def containers(o):
    spec = pod_spec(o) or {}
    return spec.get("initContainers", []) + spec.get("containers", [])


# --- what is rendered ---------------------------------------------------------------------------------------------------

def check_lint():
    for path in ci_files():
        status, out, err = helm("lint", "--strict", CHART, "--values", path)
        report(f"lint: {path}", (out + err).splitlines() if status else [])


def restricted(o):
    """Pod Security "restricted", and what else all our pods but the probe have."""
    spec = pod_spec(o)
    security, bad = spec.get("securityContext", {}), []
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            bad.append(key)
    if not security.get("runAsNonRoot") or security.get("runAsUser") != 65532 or security.get("runAsGroup") != 65532:
        bad.append("is not user and group 65532")
    if security.get("seccompProfile") != {"type": "RuntimeDefault"}:
        bad.append("seccompProfile")
    for c in containers(o):
        if c["securityContext"] != {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}:
            bad.append(f"securityContext of {c['name']}")
        if any(p.get("hostPort") for p in c.get("ports", [])):
            bad.append("hostPort")
    for v in spec.get("volumes", []):
        if not set(v) - {"name"} <= {"configMap", "persistentVolumeClaim", "emptyDir", "secret"} or "sizeLimit" not in v.get("emptyDir", {"sizeLimit"}):
            bad.append(f"volume {v}")
    return bad


def judge_pods(objects):
    problems = []
    for o in objects:
        spec, bad = pod_spec(o), []
        if not spec:
            continue
        if o["kind"] == "DaemonSet":
            raw = containers(o)[0]["securityContext"]
            if raw["capabilities"] != {"drop": ["ALL"], "add": ["NET_RAW"]} or spec["automountServiceAccountToken"] is not False:
                bad.append("the probe has more, or less, than NET_RAW and no token")
            o = copy.deepcopy(o)
            pod_spec(o).pop("hostNetwork")
            containers(o)[0]["securityContext"]["capabilities"].pop("add")
        bad += restricted(o)
        placed_by_us = o["kind"] == "Pod" and o["metadata"]["name"].endswith("-placement")
        if (spec["schedulerName"] == "default-scheduler") == placed_by_us:
            bad.append(f"schedulerName {spec['schedulerName']}")
        if spec.get("enableServiceLinks") is not False:
            bad.append("enableServiceLinks: variables LATENCY_... would be options")
        problems += [f"{name_of(o)}: {b}" for b in bad]
    return problems


def judge_places(objects, namespace):
    problems = []
    for o in objects:
        if o["metadata"].get("namespace") == "kube-system" and o.get("roleRef", {}).get("name") == "extension-apiserver-authentication-reader":
            continue            # that Role is there alone
        if o["metadata"].get("namespace") == "kube-node-lease" and o["kind"] in ("Role", "RoleBinding"):
            continue            # the Leases of nodes are there
        if (o["kind"] in CLUSTER_SCOPED) == ("namespace" in o["metadata"]) or o["metadata"].get("namespace", namespace) != namespace:
            problems.append(f"{name_of(o)}: namespace {o['metadata'].get('namespace')}")
    seen = [(o["apiVersion"], name_of(o)) for o in objects]
    return problems + [f"{twin} twice" for twin in set(seen) if seen.count(twin) > 1]


def check_renders():
    for path in ci_files():
        objects = template("--values", path)
        report(f"renders: {path}, {len(objects)} objects, each in its place", judge_places(objects, NAMESPACE))
        report(f"Pod Security restricted but for the probe: {path}", judge_pods(objects))


def check_names():
    wanted = {"Deployment/my-latency-scheduler", "PersistentVolumeClaim/latency-pvc", "PersistentVolume/latency-nfs-pv", "DaemonSet/latency-probe",
              "CronJob/latency-merge"}
    names = {name_of(o) for o in template("--values", "helm/ci/nfs.yaml")}
    report("names of the release latency-aware-scheduler in latency-scheduler", sorted(wanted - names))


def check_side_by_side():
    """Releases whose names or namespaces look alike share nothing in the cluster, and nothing in a namespace."""
    pairs = [(RELEASE, NAMESPACE), (RELEASE, "other"), ("other", NAMESPACE), ("c", "a-b"), ("b-c", "a"), ("a", "b"), ("b", "a"), ("r" * 53, "n" * 63),
             ("r" * 52 + "s", "n" * 63), ("a.b", "a"), ("a", "system-b")]
    owner, problems = {}, []
    for release, namespace in pairs:
        both = template("--values", "helm/ci/nfs.yaml", *EXTENDER, release=release, namespace=namespace)
        seen = {(o["metadata"].get("namespace"), name_of(o)) for o in both}
        both += [o for o in template("--values", "helm/ci/nfs.yaml", *HEALING, release=release, namespace=namespace)
                 if (o["metadata"].get("namespace"), name_of(o)) not in seen]
        for o in both:
            key = (o["metadata"].get("namespace"), name_of(o))
            if key in owner:
                problems.append(f"{key} of {owner[key]} and {release} in {namespace}")
            owner[key] = f"{release} in {namespace}"
            elsewhere = o["metadata"].get("namespace") in ("kube-system", "kube-node-lease")
            most = 253 if elsewhere or o["kind"] in CLUSTER_SCOPED else {"CronJob": 52}.get(o["kind"], 63)
            if o["kind"] == "PriorityClass" and o["metadata"]["name"].startswith("system-"):
                problems.append(f"{key}: a name of Kubernetes' own")
            if len(o["metadata"]["name"]) > most:
                problems.append(f"{key} is longer than {most}")
            problems += [f"{key}: label {k}={v}" for k, v in o["metadata"]["labels"].items() if len(v) > 63]
    report("releases side by side share no name, and long names fit", problems)


def check_scheduler_account():
    """The rules that tests/e2e/e-rbac.c proves are the chart's."""
    def facts(objects):
        keys = ("rules", "roleRef", "subjects", "value", "preemptionPolicy", "description")
        return {f"{name_of(o)} {o['metadata'].get('namespace')}": {k: o.get(k) for k in keys}
                for o in objects if o["apiVersion"].startswith("rbac.") or o["kind"] in ("ServiceAccount", "PriorityClass")}
    def file_of(name):
        with open(f"helm/rbac/{name}.yaml") as f:
            return facts(parse(f))
    plain = ("--set", "reserve.enabled=false")
    for names, words in (("scheduler",), plain), (("scheduler", "reserve"), ()), (("scheduler", "reserve", "healing"), HEALING), (("scheduler", "healing"), plain + HEALING), (("extender",), EXTENDER):
        chart, files = facts(template("--no-hooks", *words)), file_of("merger")
        for name in names:
            files |= file_of(name)
        report(f"roles, bindings, accounts and class are those of helm/rbac: {', '.join(names)}", [f"{k}: chart {chart.get(k)}, file {files.get(k)}"
                                                                                                   for k in sorted(chart | files) if chart.get(k) != files.get(k)])
    alone, files = facts(template("--no-hooks", *ALONE, "--set", "extender.insecure=true")), file_of("merger") | file_of("extender")
    report("without kube-scheduler latency-sched may read only", [k for k in files if (k in alone) != (k.split("/")[1].split()[0] in ("latency-merge", "latency-sched") and
                                                                  not k.startswith("Role"))] + [k for k in alone if alone[k] != files.get(k)])
    lease = [o for o in template("--set", "scheduler.names={b,a}") if o["kind"] == "Role" and o["metadata"]["name"] == "latency-sched"]
    report("the Lease's rule names the first scheduler name", [] if lease[0]["rules"][1]["resourceNames"] == ["b"] else [str(lease)])
    record = [o for o in template("--set", "scheduler.names={b,a}", *HEALING) if o["kind"] == "Role" and o["metadata"]["name"] == "latency-evictions"]
    report("and so does that of the record of evictions", [] if record[0]["rules"][1]["resourceNames"] == ["b-evictions"] else [str(record)])


def check_clients_and_entry():
    def of(kind, *words):
        return [o for o in template("--no-hooks", *words) if o["kind"] == kind]
    def may(*words):
        return [o["rules"] for o in of("ClusterRole", *words) if "latency-merge" in o["metadata"]["name"]]
    def said(*words):
        return [a for a in containers(of("CronJob", *words)[0])[0]["args"] if re.match("--(client-services|entry|prometheus|traffic)", a)]
    problems = []
    for words, resources, args in ((), ["nodes"], []), (("--set", "clientServices=true"), ["nodes", "services"], ["--client-services"]):
        if may(*words) != [[{"apiGroups": [""], "resources": resources, "verbs": ["list"]}]] or said(*words) != args:
            problems.append(f"{words}: {may(*words)}, {said(*words)}")
    report("the merger lists Services when it is told to, and only then", problems)
    query, url = 'sum by (node) (rate(x{job="a, b"}[1m])) # %', "https://p.example:9090/prometheus"
    wanted = [
        ({"entry": {"prometheusUrl": url}}, [f"--prometheus-url={url}"]),
        ({"entry": {"prometheusUrl": url, "query": query}, "trafficQuery": query}, [f"--prometheus-url={url}", f"--entry-query={query}", f"--traffic-query={query}"]),
        ({"entry": {"static": {"edge-1": 3, "edge-2": 0.5}}}, ["--entry-file=/etc/latency-merge/entry.json"]),
        ({"entry": {"file": "entry.json", "prometheusUrl": url}, "trafficQuery": query},
         [f"--prometheus-url={url}", "--entry-file=/latency/entry.json", f"--traffic-query={query}"]),
    ]
    report("where traffic enters, as arguments", [f"{values}: {said(*sets({'merge': values}))}" for values, args in wanted if said(*sets({"merge": values})) != args])
    data = [o["data"] for o in of("ConfigMap", *sets({"merge": wanted[2][0]})) if "clients.json" in o["data"]][0]
    report("the list of entry nodes is where the merger looks", [] if json.loads(data["entry.json"]) == wanted[2][0]["entry"]["static"] else [str(data)])


def check_first_merge():
    def first(*words):
        jobs = [o["metadata"]["name"] for o in template(*words) if o["kind"] == "Job"]
        return jobs[0] if jobs else None
    plain = first()
    problems = [f"changes for nothing: {w}" for w in ("scheduler.replicas=5", "logFormat=text", "probe.pings=2") if first("--set", w) != plain]
    problems += [f"does not change: {w}" for w in ("image.tag=v2", "clients.a={10.0.0.1}", "merge.podLabels.a=b", "commonAnnotations.a=b", "logLevel=debug")
                 if first("--set", w) == plain]
    if first("--set", "merge.kind=Deployment"):
        problems.append("a merger that stays needs none")
    report("the first merge is a Job that runs again only when the merger changes", problems)


def check_volumes():
    def mounts(*words):
        found = {}
        for o in template("--no-hooks", *words):
            if pod_spec(o):
                claims = {v["name"]: v["persistentVolumeClaim"]["claimName"] for v in pod_spec(o)["volumes"] if "persistentVolumeClaim" in v}
                for m in containers(o)[0]["volumeMounts"]:
                    if m["name"] in claims:
                        found.setdefault(containers(o)[0]["name"], set()).add((claims[m["name"]], m.get("readOnly", False)))
        return found
    one = {"latency-probe": {("latency-pvc", False)}, "latency-merge": {("latency-pvc", False)}, "latency-sched": {("latency-pvc", True)}}
    two = one | {"latency-merge": {("latency-pvc", False), ("s", False)}, "latency-sched": {("s", True)}}
    report("who mounts what: the scheduler reads only", [str(mounts())] if mounts() != one else [])
    split = mounts("--set", "persistence.snapshot.existingClaim=s")
    report("with a snapshot claim the probes do not mount it, and the scheduler nothing else", [str(split)] if split != two else [])

    def of(kind, *words):
        return [o for o in template(*words) if o["kind"] == kind]
    nfs = ("--set", "persistence.nfs.server=10.0.0.1")
    volume, claim = of("PersistentVolume", *nfs)[0]["spec"], of("PersistentVolumeClaim", *nfs)[0]
    problems = []
    if volume["persistentVolumeReclaimPolicy"] != "Retain" or volume["storageClassName"] != "" or claim["spec"]["storageClassName"] != "":
        problems.append("the volume is not retained, or not without a class")
    if volume["claimRef"]["name"] != claim["metadata"]["name"] or claim["spec"]["volumeName"] != of("PersistentVolume", *nfs)[0]["metadata"]["name"]:
        problems.append("volume and claim do not name each other")
    if "annotations" in claim["metadata"]:
        problems.append("the claim would stay without its volume")
    kept = of("PersistentVolumeClaim", "--set", "persistence.storageClass=files")[0]
    if kept["metadata"]["annotations"] != {"helm.sh/resource-policy": "keep"}:
        problems.append("a claim of a class, whose data go with it, is not kept")
    for words, wanted in ((), None), (("--set", "persistence.storageClass=-"), ""), (("--set", "persistence.storageClass=files"), "files"):
        if of("PersistentVolumeClaim", *words)[0]["spec"].get("storageClassName") != wanted:
            problems.append(f"storageClassName with {words}")
    if of("PersistentVolumeClaim", "--set", "persistence.existingClaim=mine"):
        problems.append("a claim beside the one that exists")
    report("claims and volumes", problems)


# --- what is refused ----------------------------------------------------------------------------------------------------

REFUSED = [                     # the value, what the message names
    ("probe.intervall=5s", "intervall"), ("scheduler.replica=2", "replica"), ("persistance.size=1Gi", "persistance"),
    ("persistence.nfs.sever=10.0.0.1", "sever"), ("scheduler.config.defaultnear=mesh", "defaultnear"), ("scheduler.config.weights.near.delay=1", "delay"),
    ("scheduler.config.leader-elect=false", "leader-elect"), ("scheduler.config.poll=1s", "poll"),
    ("merge.schedule=* * * *", "/merge/schedule"), ("merge.schedule=61 * * * *", "/merge/schedule"), ("merge.schedule=@often", "/merge/schedule"),
    ("merge.schedule=* 24 * * *", "/merge/schedule"), ("merge.schedule=* * 0 * *", "/merge/schedule"), ("merge.schedule=* * * 13 *", "/merge/schedule"),
    ("merge.schedule=* * * * 7", "/merge/schedule"), ("merge.schedule=*/5 * * * *", "merge.interval"), ("merge.activeDeadlineSeconds=60", "merge.activeDeadlineSeconds"),
    ("merge.observations.enabled=true", "merge.observations.enabled"), ("merge.observations.tokenSecret=x", "merge.observations.tokenSecret"),
    ("merge.observations.tokenSecret=X/y", "/merge/observations/tokenSecret"), ("merge.observations.token=x", "token"),
    ("merge.kind=Job", "/merge/kind"), ("merge.interval=-60s", "/merge/interval"), ("merge.startingDeadlineSeconds=5", "/merge/startingDeadlineSeconds"),
    ("probe.interval=-5s", "/probe/interval"), ("probe.interval=5", "/probe/interval"), ("probe.interval=5 parsecs", "/probe/interval"),
    ("probe.pings=0", "/probe/pings"), ("probe.port=70000", "/probe/port"), ("probe.pinger=curl", "/probe/pinger"), ("probe.lossWindow=10s", "probe.lossWindow"),
    ("scheduler.replicas=0", "/scheduler/replicas"), ("scheduler.names={}", "/scheduler/names"), ("scheduler.names={a,a}", "/scheduler/names"),
    ("scheduler.names={default-scheduler}", "/scheduler/names/0"), ("scheduler.names={Mine}", "/scheduler/names/0"),
    ("scheduler.leaderElection.leaseDuration=10s", "scheduler.leaderElection.leaseDuration"),
    ("scheduler.leaderElection.retryPeriod=9s", "scheduler.leaderElection.renewDeadline"),
    ("scheduler.config.qps=-1", "/scheduler/config/qps"), ("scheduler.config.profiles[0].schedulerName=other", "scheduler.config.profiles[0].schedulerName"),
    ("persistence.size=much", "/persistence/size"), ("persistence.nfs.path=share", "/persistence/nfs/path"),
    ("persistence.existingClaim=a,persistence.nfs.server=b", "persistence.existingClaim"), ("persistence.storageClass=a,persistence.nfs.server=b", "persistence.storageClass"),
    ("persistence.existingClaim=a,persistence.snapshot.existingClaim=a", "persistence.snapshot.existingClaim"),
    ("clients.milan=203.0.113.7", "/clients/milan"), ("clients.milan={milan.example.com}", "/clients/milan/0"),
    ("mode=sidecar", "/mode"), ("extender.wait=1", "wait"), ("extender.kubeScheduler.image.pullPolicy=Always", "pullPolicy"),
    ("extender.defaultScores=some", "/extender/defaultScores"), ("extender.ignorable=1", "/extender/ignorable"), ("extender.late=never", "/extender/late"), ("extender.bind=1", "/extender/bind"),
    ("extender.weight=0", "/extender/weight"), ("extender.weight=1.5", "/extender/weight"), ("extender.percentageOfNodesToScore=101", "/extender/percentageOfNodesToScore"),
    ("extender.managedResources[0].name=cpu", "/extender/managedResources/0/name"),
    ("extender.managedResources[0].name=kubernetes.io/latency", "/extender/managedResources/0/name"),
    ("extender.managedResources[0].ignoredByScheduler=true", "/extender/managedResources/0"),
    ("extender.kubeScheduler.image.tag=a b", "/extender/kubeScheduler/image/tag"), ("extender.kubeScheduler.extraArgs={v=2}", "/extender/kubeScheduler/extraArgs/0"),
    ("mode=extender,scheduler.dump=true", "scheduler.dump"), ("mode=extender,scheduler.config.qps=5", "scheduler.config.qps"),
    ("mode=extender,extender.kubeScheduler.enabled=false", "extender.tls.secretName: wanted"), ("mode=extender,extender.insecure=true", "extender.insecure"),
    ("mode=extender,extender.tls.secretName=s", "extender.tls.secretName"),
    ("mode=extender,extender.kubeScheduler.enabled=false,extender.insecure=true,extender.tls.secretName=s", "only one of them"),
    ("clientServices=yes", "/clientServices"), ("merge.entry.prometheusUrl=prometheus:9090", "/merge/entry/prometheusUrl"),
    ("merge.entry.static.edge-1=-3", "/merge/entry/static/edge-1"), ("merge.entry.file=../entry.json", "/merge/entry/file"), ("merge.entry.url=http://a", "url"),
    ("merge.entry.static.a=1,merge.entry.file=b", "merge.entry.static"), ("merge.entry.file=a,merge.entry.query=b,merge.entry.prometheusUrl=http://c", "merge.entry.query"),
    ("merge.entry.file=a,merge.entry.prometheusUrl=http://c", "merge.entry.prometheusUrl"), ("merge.entry.query=up", "merge.entry.query"),
    ("merge.trafficQuery=up", "merge.trafficQuery"),
    ("reserve.enable=true", "enable"), ("reserve.default=shop", "/reserve/default"), ("reserve.default={Shop}", "/reserve/default/0"), ("reserve.default={a,*}", "reserve.default"),
    ("reserve.allow=shop", "/reserve/allow"), ("reserve.allow={Shop}", "/reserve/allow/0"), ("reserve.allow={a,*}", "reserve.allow"), ("reserve.allow={}", "/reserve/allow"),
    ("reserve.allow={a},reserve.default={a,b}", "reserve.default: b is not in reserve.allow"), ("reserve.most=30", "/reserve/most"), ("reserve.most=0%", "/reserve/most"),
    ("reserve.most=101%", "/reserve/most"), ("reserve.most=much", "/reserve/most"), ("reserve.enabled=false,reserve.most=3%", "reserve.most: nothing is kept"),
    ("reserve.enabled=false,reserve.default={a}", "reserve.default"), ("reserve.image=pause", "/reserve/image"), ("reserve.image.tag=", "reserve.image.tag"),
    ("reserve.image.digest=sha256:0", "/reserve/image/digest"), ("reserve.priorityClass.value=2000000000", "/reserve/priorityClass/value"),
    ("reserve.priorityClass.create=false", "reserve.priorityClass.name"), ("reserve.priorityClass.name=system-mine", "reserve.priorityClass.name"),
    ("reserve.priorityClass.name=Mine", "/reserve/priorityClass/name"), ("scheduler.config.reserve.enabled=true", "scheduler.config.reserve: is made from"),
    ("scheduler.config.healing.enabled=true", "scheduler.config.healing: is made from"),
    ("healing.enabled=yes", "/healing/enabled"), ("healing.after=20", "/healing/after"), ("healing.perMinute=5", "perMinute"), ("healing.evictionsPerMinute=0", "/healing/evictionsPerMinute"),
    ("healing.evictionsPerHour=0", "/healing/evictionsPerHour"), ("healing.statefulSets=some", "/healing/statefulSets"), ("healing.enabled=true,healing.after=14s", "healing.after: 14s is less"),
    ("healing.enabled=true,merge.kind=CronJob", "merge.kind: CronJob, but healing.enabled"), ("healing.enabled=true,merge.interval=6s", "merge.interval: 6s, but healing.enabled"),
    ("healing.enabled=true,probe.interval=5001ms", "probe.interval: 5001ms, but"), ("healing.enabled=true,probe.publish=30s", "probe.publish: 30s, but"),
    ("mode=extender,healing.enabled=true", "healing.enabled: not with mode: extender"), ("mode=extender,reserve.default={a}", "reserve.default: not with mode: extender"),
    ("image.pullPolicy=Sometimes", "/image/pullPolicy"), ("logLevel=loud", "/logLevel"), ("scheduler.extraArgs={poll=1s}", "/scheduler/extraArgs/0"),
]


def check_refusals():
    for value, named in REFUSED:
        problems = []
        commands = [("template", RELEASE, CHART)]
        if named.startswith("/"):       # by the schema; what a template refuses lint only mentions
            commands.append(("lint", CHART))
        for words in commands:
            status, out, err = helm(*words, "--set", value)
            if status == 0:
                problems.append(f"helm {words[0]} takes it")
            elif named not in out + err:
                problems += (out + err).splitlines()
        report(f"refused by name: {value}", problems)


# --- values.yaml --------------------------------------------------------------------------------------------------------

def walk(values, path=()):
    """The leaves: what is no object, and objects that are empty or belong to Kubernetes."""
    for key, value in values.items():
        if isinstance(value, dict) and value and key not in ("resources", "updateStrategy"):
            yield from walk(value, path + (key,))
        else:
            yield ".".join(path + (key,)), value


def documented():
    """{path: (default, text)} from the lines `# --` of values.yaml."""
    found, path, text = {}, [], None
    with open(f"{CHART}/values.yaml") as f:
        lines = f.read().splitlines()
    for line in lines:
        note, key = re.match(r" *# -- (.*)", line), re.match(r"( *)([A-Za-z]+):(.*)", line)
        if note:
            text = [note[1]]
        elif text and re.match(r" *# ", line):
            text.append(line.strip()[2:])
        elif key:
            depth = len(key[1]) // 2
            path = path[:depth] + [key[2]]
            if text:
                found[".".join(path)] = (key[3].strip() or "", " ".join(text))
            text = None
        else:
            text = None
    return found


def table():
    rows = ["| value | default | meaning |", "|---|---|---|"]
    for path, (default, text) in documented().items():
        rows.append("| `%s` | `%s` | %s |" % (path, default or " ", text.replace("|", "\\|")))
    return "\n".join(rows)


def schema_leaves(schema, definitions, path=()):
    """The same leaves; and objects that would take an unknown key."""
    while "$ref" in schema:
        schema = definitions[schema["$ref"].split("/")[-1]]
    properties = schema.get("properties")
    if not properties or path[-1:] in (("resources",), ("config",)):
        yield ".".join(path)
        return
    if schema.get("additionalProperties") is not False and path != ("global",):
        yield f"{'.'.join(path)} takes unknown keys"
    for key, sub in properties.items():
        yield from schema_leaves(sub, definitions, path + (key,))


def check_documented():
    leaves = {path for path, _ in walk(load(f"{CHART}/values.yaml"))}
    report("each value has its line `# --`", sorted(leaves ^ set(documented())))
    with open(f"{CHART}/values.schema.json") as f:
        schema = json.load(f)
    report("the schema has these values and no other", sorted(leaves ^ set(schema_leaves(schema, schema["definitions"]))))
    with open("helm/README.md") as f:
        readme = f.read()
    report("README's table is that of values.yaml (helm/check.sh --table)", [] if table() in readme else ["it is not"])


# Something else for each value, by its whole path or its last word; beside it what makes it matter.
OTHER = {
    "registry": "r.example", "image.tag": "9", "tag": "8", "digest": "sha256:" + "0" * 64, "repository": "mine/other", "pullPolicy": "Always",
    "imagePullSecrets": [{"name": "s"}], "global.imageRegistry": "g.example", "fullnameOverride": "other", "commonLabels": {"k": "v"},
    "commonAnnotations": {"k": "v"}, "revisionHistoryLimit": 7, "onControlPlane": True, "logLevel": "debug", "logFormat": "json", "rbac.create": False, "allow": ["shop"], "most": "5%", "default": ["shop"], "priorityClass.create": False, "value": 7, "after": "70s", "evictionsPerMinute": 7, "evictionsPerHour": 7, "statefulSets": True,
    "reserve.enabled": False,
    "clients": {"milan": ["10.0.0.1"]}, "existingClaim": "other", "server": "10.0.0.2", "path": "/other", "mountOptions": ["soft"], "storageClass": "other",
    "size": "9Gi", "accessModes": ["ReadWriteOnce"], "annotations": {"k": "v"}, "hostNetwork": False, "port": 3001, "probe.interval": "7s", "pings": 7,
    "timeout": "7s", "window": "70s", "lossWindow": "70m", "publish": "7s", "pinger": "socket", "interfaces": ["eth7"], "metricsPeers": True,
    "serviceAccountName": "other", "tolerations": [{"key": "other"}], "nodeSelector": {"k": "v"}, "affinity": {"podAffinity": {}}, "priorityClassName": "other",
    "updateStrategy": {"type": "OnDelete"}, "resources": {"limits": {"memory": "7Mi"}}, "podLabels": {"k": "v"}, "podAnnotations": {"k": "v"},
    "extraArgs": ["--log-level=warn"], "extraEnv": [{"name": "K", "value": "v"}], "kind": "Deployment", "schedule": "*/1 * * * *", "timeZone": "Europe/Rome",
    "merge.interval": "7m", "suspend": True, "startingDeadlineSeconds": 17, "activeDeadlineSeconds": 17, "successfulJobsHistoryLimit": 7,
    "failedJobsHistoryLimit": 7, "serviceAccount.create": False, "name": "other", "names": ["other"], "replicas": 7, "config": {"strict": True}, "poll": "7s", "dump": True,
    "leaseDuration": "17s", "renewDeadline": "9s", "retryPeriod": "3s", "topologySpreadConstraints": [{"k": "v"}], "enabled": True, "interval": "7s",
    "mode": "extender", "weight": 7, "defaultScores": False, "ignorable": False, "late": "error", "bind": True, "managedResources": [{"name": "example.com/latency"}],
    "percentageOfNodesToScore": 7, "extender.kubeScheduler.enabled": False, "secretName": "other", "insecure": True,
    "tokenSecret": "other", "labels": {"k": "v"}, "clientServices": True, "prometheusUrl": "http://p.example", "query": "sum by (node) (up)", "static": {"edge-1": 1}, "file": "entry.json",
    "trafficQuery": "sum by (node) (up)", "extraObjects": [{"kind": "Extra", "apiVersion": "v1", "metadata": {"name": "e"}}],
}
ALONE_VALUES = {"mode": "extender", "extender": {"kubeScheduler": {"enabled": False}}}
NFS = {"persistence": {"nfs": {"server": "10.0.0.1"}}}
PROMETHEUS = {"merge": {"entry": {"prometheusUrl": "http://p.example"}}}
OBSERVED = {"merge": {"kind": "Deployment", "observations": {"enabled": True}}}
BESIDE = {"merge.entry.query": PROMETHEUS, "merge.trafficQuery": PROMETHEUS, "merge.observations.enabled": {"merge": {"kind": "Deployment"}}, "merge.observations.tokenSecret": OBSERVED,
          "persistence.nfs.path": NFS, "persistence.nfs.mountOptions": NFS, "merge.interval": {"merge": {"schedule": "7 * * * *"}},
          "metrics.podMonitor.interval": {"metrics": {"podMonitor": {"enabled": True}}}, "metrics.podMonitor.labels": {"metrics": {"podMonitor": {"enabled": True}}},
          "metrics.rules.labels": {"metrics": {"rules": {"enabled": True}}}, "reserve.priorityClass.create": {"reserve": {"priorityClass": {"name": "mine"}}}}
BESIDE |= {"healing." + word: {"healing": {"enabled": True}} for word in ("after", "evictionsPerMinute", "evictionsPerHour", "statefulSets")}


BESIDE |= {"extender." + path: {"mode": "extender"} for path in (
    "weight", "defaultScores", "ignorable", "late", "bind", "managedResources", "percentageOfNodesToScore", "kubeScheduler.image.registry", "kubeScheduler.image.repository",
    "kubeScheduler.image.tag", "kubeScheduler.image.digest", "kubeScheduler.resources", "kubeScheduler.extraArgs")}
BESIDE |= {"extender.kubeScheduler.enabled": {"mode": "extender", "extender": {"insecure": True}}, "extender.tls.secretName": ALONE_VALUES, "extender.insecure": ALONE_VALUES}
# Without these values nothing is rendered: that it is with them, is the change.
WANTED_THERE = ("extender.kubeScheduler.enabled", "extender.tls.secretName", "extender.insecure")


def alternative(path):
    words = path.split(".")
    for i in range(len(words)):
        if ".".join(words[i:]) in OTHER:
            return OTHER[".".join(words[i:])]
    raise KeyError(path)


def merged(a, b):
    return {k: merged(a[k], b[k]) if isinstance(a.get(k), dict) and isinstance(b.get(k), dict) else b.get(k, a.get(k)) for k in a | b}


def check_used():
    """A value that changes nothing is a promise that is not kept."""
    problems, plain = [], {}
    for path, _ in walk(load(f"{CHART}/values.yaml")):
        beside, change = BESIDE.get(path, {}), alternative(path)
        for word in reversed(path.split(".")):
            change = {word: change}
        base = json.dumps(beside)
        try:
            if base not in plain:
                plain[base] = "" if path in WANTED_THERE else text_of("--set-json", "global={}", *sets(beside))
            if text_of("--set-json", "global={}", *sets(merged(beside, change))) == plain[base]:
                problems.append(f"{path}: changes nothing")
        except RuntimeError as e:
            problems.append(f"{path}: {e}")
    report("each value changes what is rendered", problems)


def sets(values):
    return [w for k, v in values.items() for w in ("--set-json", f"{k}={json.dumps(v)}")]


# --- the programs -------------------------------------------------------------------------------------------------------

def check_options():
    """The programs take what the chart says to them: every container's arguments (--version is answered after all were read), the whole configuration."""
    build = os.environ["BUILD"]
    for path in ci_files():
        objects, problems = template("--values", path), []
        config = [o for o in objects if o["kind"] == "ConfigMap" and o["metadata"]["name"].endswith("latency-sched")][0]["data"]["config.yaml"]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write(config)
            f.flush()
            for c in (c for o in objects for c in containers(o) if c["name"] != "kube-scheduler"):
                program = c.get("command", ["/usr/bin/" + c["image"].split("@")[0].split(":")[0].split("/")[-1]])[0].replace("/usr/bin", build)
                words = [w.replace("/etc/latency-sched/config.yaml", f.name) for w in c.get("command", [])[1:] + c.get("args", [])]
                for last in ["--version"] + ["--print-config"] * (c["name"] == "latency-sched"):
                    status, out, err = run(program, *words, last)
                    if status:
                        problems.append(f"{c['name']}: {err.strip()}")
        report(f"the programs take their arguments and configuration: {path}", problems)


# --- reserve and healing ------------------------------------------------------------------------------------------------

def check_reserve():
    def objects(*words):
        return {name_of(o): o for o in template("--no-hooks", *words)}

    def config(o):
        return yaml.safe_load(o["ConfigMap/latency-sched"]["data"]["config.yaml"])
    problems = []
    for words, wanted in (
            ((), {"enabled": True, "owner": "ConfigMap/latency-sched", "image": "registry.k8s.io/pause:3.10", "priorityClass": "latency-mesh-reserve"}),
            (("--set", "reserve.enabled=false"), None), (EXTENDER, None),
            (("--values", "helm/ci/reserve.yaml"), {"enabled": True, "owner": "ConfigMap/latency-sched", "allow": ["shop", "payments", "edge"], "most": "12.5%",
                                                    "default": ["shop", "payments"], "priorityClass": "above-tenants",
                                                    "image": "mirror.example.com/pause:3.9@sha256:" + "0" * 64}),
            (("--set", "reserve.priorityClass.value=-7,reserve.image.tag=,reserve.image.registry=r.example,reserve.image.digest=sha256:" + "1" * 64),
             {"enabled": True, "owner": "ConfigMap/latency-sched", "image": "r.example/pause@sha256:" + "1" * 64, "priorityClass": "latency-mesh-reserve.minus-7"})):
        o = objects(*words)
        got, classes = config(o).get("reserve"), [k.split("/")[1] for k in o if k.startswith("PriorityClass/")]
        if got != wanted or classes != ([got["priorityClass"]] if got and got["priorityClass"] != "above-tenants" else []):
            problems.append(f"{words}: {got}, classes {classes}")
    for words in (), ("--set", "fullnameOverride=other,reserve.allow={a}"):   # with these it is deleted, and no sooner: no name may change in an upgrade
        o = objects(*words)
        kind, _, name = yaml.safe_load([m["data"]["config.yaml"] for k, m in o.items() if k.startswith("ConfigMap/") and "config.yaml" in m["data"]][0])["reserve"]["owner"].partition("/")
        rules = [r for k, m in o.items() if k.startswith("Role/") and "reserve" in k for r in m["rules"] if r["resources"] == ["configmaps"]]
        if f"{kind}/{name}" not in o or rules != [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [name], "verbs": ["get"]}]:
            problems.append(f"owner {kind}/{name}: {rules}")
    kept = config(objects("--set", "scheduler.config.strict=true,scheduler.config.qps=5"))
    if not kept.pop("reserve") or kept != {"strict": True, "qps": 5}:
        problems.append(f"what the user wrote: {kept}")
    report("the reserve is in the scheduler's configuration, with its class, and only in mode standalone", problems)

    def words_of(o, *kinds):
        return [a for k in o.values() if k["kind"] in kinds for c in containers(k) for a in c["args"]]
    problems = []
    for more, interval, replicas in ((), "5s", 2), (("--set", "merge.kind=Deployment,merge.interval=3s,probe.interval=3s,probe.publish=3s"), "3s", 2), (
            ("--set", "merge.observations.enabled=true"), "5s", 1):
        o = objects(*HEALING, *more)
        merger = o.get("Deployment/latency-merge", {"spec": {}})
        if [k for k in o if k.startswith(("CronJob", "Job"))] or merger["spec"].get("replicas") != replicas:
            problems.append(f"{more}: {sorted(o)}")
        if (replicas > 1) != ("podAntiAffinity" in str(merger)):
            problems.append(f"{more}: mergers apart")
        if not {f"--interval={interval}", "--watch"} <= set(words_of({"": merger}, "Deployment")) or not {f"--interval={interval}", f"--publish={interval}"} <= set(words_of(o, "DaemonSet")):
            problems.append(f"{more}: {words_of(o, 'DaemonSet', 'Deployment')}")
        if config(o).get("healing") != {"enabled": True, "after": "20s", "perMinute": 60, "perHour": 300, "statefulSets": False}:
            problems.append(f"{more}: {config(o)}")
    plain = objects()
    if "CronJob/latency-merge" not in plain or not {"--interval=10s", "--publish=30s"} <= set(words_of(plain, "DaemonSet")) or "--interval=60s" not in words_of(plain, "CronJob") or "healing" in config(plain):
        problems.append("without it")
    report("healing.enabled alone makes the mesh quick and says so to the scheduler", problems)

    def read_at_start(*words):
        return objects(*words)["Deployment/my-latency-scheduler"]["spec"]["template"]["metadata"].get("annotations")
    first, problems = read_at_start(), []
    problems += [f"does not change: {w}" for w in ("healing.enabled=true", "reserve.enabled=false") if read_at_start("--set", w) == first]
    problems += [f"changes for nothing: {w}" for w in ("reserve.default={a}", "reserve.allow={a}", "reserve.most=5%", "reserve.image.tag=v1", "reserve.priorityClass.name=a", "healing.after=40s", "scheduler.config.strict=true")
                 if read_at_start("--set", w) != first]
    report("pods are replaced for what of it latency-sched reads once, and only for that", problems)


# --- mode: extender -----------------------------------------------------------------------------------------------------

CONFIGURATION = "helm/examples/kube-scheduler-configuration.yaml"


def configuration(objects):
    return [o for o in objects if o["kind"] == "ConfigMap" and "kind: KubeSchedulerConfiguration" in o["data"].get("config.yaml", "")][0]["data"]["config.yaml"]


def check_configuration():
    """A real kube-scheduler reads them, and says what it read; a wrong one it refuses."""
    def read(text):
        with tempfile.TemporaryDirectory() as folder:
            with open(f"{folder}/in.yaml", "w") as f:
                f.write(text)
            status, _, err = run("timeout", "30", os.environ["KUBE_SCHEDULER"], f"--config={folder}/in.yaml", f"--write-config-to={folder}/out.yaml",
                                 "--master=http://127.0.0.1:1")
            if status:
                raise RuntimeError(err.strip().splitlines()[-1])
            return load(f"{folder}/out.yaml")
    with open(CONFIGURATION) as f:
        texts = {CONFIGURATION: f.read()}
    texts["helm/ci/extender.yaml"] = configuration(template("--values", "helm/ci/extender.yaml"))
    texts["mode=extender"] = configuration(template(*EXTENDER))
    for path, text in texts.items():
        problems = []
        try:
            wanted, got = yaml.safe_load(text), read(text)
            if [{"ignorable": False} | e for e in got["extenders"]] != wanted["extenders"]:
                problems.append(f"extenders: {got['extenders']}")
            if [p["schedulerName"] for p in got["profiles"]] != [p["schedulerName"] for p in wanted["profiles"]]:
                problems.append("profiles")
            scores = [p["plugins"].get("score", {}) for p in got["profiles"]]
            if any(([d["name"] for d in s.get("disabled", [])] == ["*"]) != ("plugins" in w) for s, w in zip(scores, wanted["profiles"])):
                problems.append(f"scores {scores}")
            problems += [f"{k}: {got['leaderElection'][k]}" for k, v in wanted["leaderElection"].items() if got["leaderElection"][k] != v]
            if got["percentageOfNodesToScore"] != wanted["percentageOfNodesToScore"]:
                problems.append("percentageOfNodesToScore")
        except RuntimeError as e:
            problems.append(str(e))
        report(f"kube-scheduler takes the configuration: {path}", problems)
    problems = []
    for right, wrong in ("weight: 12", "weight: -1"), ("filterVerb", "filterWord"), ("kubescheduler.config.k8s.io/v1", "kubescheduler.config.k8s.io/v9"):
        try:
            read(texts["mode=extender"].replace(right, wrong))
            problems.append(f"{wrong} is taken")
        except RuntimeError:
            pass
    report("and refuses one that is wrong", problems)


def check_extender():
    def sched(*words):
        return [o for o in template("--no-hooks", *words) if o["kind"] == "Deployment" and o["metadata"]["name"] == "my-latency-scheduler"][0]

    def args(o, name):
        return [c for c in containers(o) if c["name"] == name][0]["args"]
    standalone, both, tls = sched(), sched(*EXTENDER), sched(*ALONE, "--set", "extender.tls.secretName=certs")
    problems = []
    for o in both, tls:
        if o["spec"]["selector"] != standalone["spec"]["selector"]:
            problems.append("another selector: no upgrade leads there")
    if [c["name"] for c in containers(both)] != ["kube-scheduler", "latency-sched"] or [c["name"] for c in containers(tls)] != ["latency-sched"]:
        problems.append("containers")
    if "--extender-listen=127.0.0.1:8090" not in args(both, "latency-sched") or any(a.startswith(("--leader-elect", "--dump")) for a in args(both, "latency-sched")):
        problems.append(f"arguments {args(both, 'latency-sched')}")
    if "--extender-alone" in args(both, "latency-sched") + args(tls, "latency-sched"):
        problems.append("--extender-alone beside other scores")
    problems += [f"no --extender-alone with {words}" for words in (EXTENDER, ALONE + ("--set", "extender.tls.secretName=certs"))
                 if "--extender-alone" not in args(sched(*words, "--set", "extender.defaultScores=false"), "latency-sched")]
    if any(a.startswith("--extender") for a in args(sched("--set", "extender.defaultScores=false"), "latency-sched")):
        problems.append("an option of the extender in standalone mode")
    if any(p["containerPort"] == 8090 for c in containers(both) for p in c["ports"]):
        problems.append("the verbs have a port")
    https = [p["httpGet"] for p in ([c for c in containers(both) if c["name"] == "kube-scheduler"][0][k] for k in ("startupProbe", "livenessProbe", "readinessProbe"))]
    if any(h["scheme"] != "HTTPS" or h["port"] != "kube-scheduler" for h in https):
        problems.append("kube-scheduler's probes")
    report("mode extender: two containers in the same Deployment, the verbs on loopback", problems)

    problems, secret = [], [v for v in pod_spec(tls)["volumes"] if v["name"] == "tls"]
    mount = {"name": "tls", "mountPath": "/tls", "readOnly": True}
    if secret != [{"name": "tls", "secret": {"secretName": "certs", "defaultMode": 0o440}}] or mount not in containers(tls)[0]["volumeMounts"]:
        problems.append(f"mounts {secret}")
    problems += [a for a in ("--extender-listen=:8090", "--extender-tls-cert=/tls/tls.crt", "--extender-tls-key=/tls/tls.key", "--extender-client-ca=/tls/ca.crt")
                 if a not in args(tls, "latency-sched")]
    objects = template("--no-hooks", *ALONE, "--set", "extender.tls.secretName=certs")
    services = {o["metadata"]["name"]: o["spec"] for o in objects if o["kind"] == "Service"}
    if services["latency-extender"]["ports"] != [{"name": "extender", "port": 8080, "targetPort": "extender"}]:
        problems.append(str(services))
    if "annotations" in tls["metadata"] or [o for o in template(*ALONE, "--set", "extender.insecure=true") if o["metadata"]["name"].endswith("-placement")]:
        problems.append("it claims or tests a scheduler name")
    report("latency-sched alone: a Service on 8080, TLS with a client's certificate, no name of its own", problems)

    def image(*words):
        return containers(sched(*EXTENDER, *words))[0]["image"]
    problems = [f"{words}: {image(*words)}" for words, wanted in (
        (("--kube-version", "v1.36.3"), "registry.k8s.io/kube-scheduler:v1.36.3"), (("--kube-version", "v1.34.4-gke.12+x"), "registry.k8s.io/kube-scheduler:v1.34.4"),
        (("--set", "global.imageRegistry=r.example"), "r.example/kube-scheduler:"), (("--set", "extender.kubeScheduler.image.tag=v1.35.1"), "registry.k8s.io/kube-scheduler:v1.35.1"))
        if not image(*words).startswith(wanted)]
    report("kube-scheduler's image is of the cluster's version", problems)

    def checksum(*words):
        return sched(*words)["spec"]["template"]["metadata"].get("annotations", {}).get("checksum/kube-scheduler")
    plain, problems = checksum(*EXTENDER), [] if checksum() is None else ["standalone has one"]
    problems += [f"does not change: {w}" for w in ("extender.weight=3", "extender.defaultScores=false", "scheduler.leaderElection.retryPeriod=1s", "scheduler.names={a}")
                 if checksum(*EXTENDER, "--set", w) in (plain, None)]
    problems += [f"changes for nothing: {w}" for w in ("scheduler.config.strict=true", "extender.late=error", "scheduler.replicas=3", "commonLabels.a=b", "logLevel=debug")
                 if checksum(*EXTENDER, "--set", w) != plain]
    report("pods are replaced for what kube-scheduler reads once, and only for that", problems)


def check_metrics():
    text = ""
    for path in ("sched/stats.c", "probe/stats.c", "merge/meter.c"):
        with open(path) as f:
            text += f.read()
    with open(f"{CHART}/templates/metrics.yaml") as f:
        names = set(re.findall(r"(latency_(?:sched|probe|merge)_\w+|leader_election_\w+)\{", f.read()))
    bare = {n: re.sub(r"^latency_(sched|probe|merge)_", "", n) for n in names}
    report(f"the rules' {len(names)} metrics are the programs' own", [n for n in sorted(names) if f'"{bare[n]}"' not in text and f'"{n}"' not in text] or
           ([] if names else ["there are none"]))


# --- without Helm, and examples -----------------------------------------------------------------------------------------

def check_manifests():
    for path in ci_files():
        status, out, err = run("helm/manifests.sh", path)
        objects = [] if status else parse(out)
        chart = [o for o in template("--no-hooks", "--values", path) if not o["apiVersion"].startswith("monitoring.")]
        problems = err.splitlines() + judge_places(objects, NAMESPACE)
        if [name_of(o) for o in objects] != ["Namespace/" + NAMESPACE] + [name_of(o) for o in chart]:
            problems.append("not the chart's objects")
        if any("helm.sh/hook" in o["metadata"].get("annotations", {}) for o in objects):
            problems.append("hooks")
        report(f"plain manifests: {path}", problems)


def check_examples():
    for path in sorted(set(glob.glob("helm/examples/*.yaml")) - {CONFIGURATION}):
        o, name = load(path), os.path.basename(path)[:-5]
        problems = []
        if pod_spec(o)["schedulerName"] != "my-latency-scheduler" or o["metadata"]["name"] != name:
            problems.append("another scheduler, or another name than the file's")
        report(f"example: {name}", problems)


def check_notes():
    for path in ci_files():
        status, out, err = helm("install", RELEASE, CHART, "--namespace", NAMESPACE, "--dry-run=client", "--values", path)
        notes = out.partition("NOTES:")[2]
        report(f"NOTES say what to type next: {path}",
               err.splitlines() if status else [] if f"helm --namespace {NAMESPACE} test {RELEASE}" in notes and "<no value>" not in notes else [notes])


if __name__ == "__main__":
    if sys.argv[1:] == ["--table"]:
        print(table())
        sys.exit(0)
    for check, function in list(globals().items()):
        if check.startswith("check_") and (len(sys.argv) < 2 or check in sys.argv[1:]):
            function()
    print(f"1..{count}")
    sys.exit(failed > 0)
