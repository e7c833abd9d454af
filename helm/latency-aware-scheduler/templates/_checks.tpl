{{/* What values.schema.json cannot say. Each refusal begins with the value's name. */}}
{{- define "latency.check" -}}
{{- $p := .Values.persistence }}
{{- if and $p.existingClaim $p.nfs.server }}{{ fail "persistence.existingClaim and persistence.nfs.server: only one of them" }}{{ end }}
{{- if and $p.storageClass $p.nfs.server }}{{ fail "persistence.storageClass and persistence.nfs.server: only one of them" }}{{ end }}
{{- if and $p.storageClass $p.existingClaim }}{{ fail "persistence.storageClass and persistence.existingClaim: only one of them" }}{{ end }}
{{- if and $p.snapshot.existingClaim (eq $p.snapshot.existingClaim (include "latency.claim" .)) }}
{{- fail "persistence.snapshot.existingClaim: is the claim that the probes mount; name another, or none" }}
{{- end }}
{{- range $i, $profile := .Values.scheduler.config.profiles }}
{{- if not (has $profile.schedulerName $.Values.scheduler.names) }}
{{- fail (printf "scheduler.config.profiles[%d].schedulerName: %q is not in scheduler.names" $i $profile.schedulerName) }}
{{- end }}
{{- end }}
{{- if lt (include "latency.ms" .Values.probe.lossWindow | int64) (include "latency.ms" .Values.probe.window | int64) }}
{{- fail (printf "probe.lossWindow: %s is shorter than probe.window (%s)" .Values.probe.lossWindow .Values.probe.window) }}
{{- end }}
{{- $entry := .Values.merge.entry }}
{{- if and $entry.static $entry.file }}{{ fail "merge.entry.static and merge.entry.file: only one of them" }}{{ end }}
{{- if and (or $entry.static $entry.file) $entry.query }}{{ fail "merge.entry.query: cannot be given with merge.entry.static or merge.entry.file" }}{{ end }}
{{- if and (or $entry.static $entry.file) $entry.prometheusUrl (not .Values.merge.trafficQuery) }}
{{- fail "merge.entry.prometheusUrl: cannot be given with merge.entry.static or merge.entry.file, unless it is for merge.trafficQuery" }}
{{- end }}
{{- if and $entry.query (not $entry.prometheusUrl) }}{{ fail "merge.entry.query: needs merge.entry.prometheusUrl" }}{{ end }}
{{- if and .Values.merge.trafficQuery (not $entry.prometheusUrl) }}{{ fail "merge.trafficQuery: needs merge.entry.prometheusUrl" }}{{ end }}
{{- $lease := .Values.scheduler.leaderElection }}
{{- if le (include "latency.ms" $lease.leaseDuration | int64) (include "latency.ms" $lease.renewDeadline | int64) }}
{{- fail (printf "scheduler.leaderElection.leaseDuration: %s is not longer than renewDeadline (%s)" $lease.leaseDuration $lease.renewDeadline) }}
{{- end }}
{{- if le (mul 10 (include "latency.ms" $lease.renewDeadline | int64)) (mul 12 (include "latency.ms" $lease.retryPeriod | int64)) }}
{{- fail (printf "scheduler.leaderElection.renewDeadline: %s is not longer than 1.2 times retryPeriod (%s)" $lease.renewDeadline $lease.retryPeriod) }}
{{- end }}
{{- include "latency.checkExtender" . }}
{{- include "latency.checkReserve" . }}
{{- $interval := include "latency.mergeInterval" . }}
{{- $seconds := div (include "latency.ms" $interval | int64) 1000 | int }}
{{- $observations := .Values.merge.observations }}
{{- $kind := include "latency.mergeKind" . }}
{{- if and $observations.enabled (ne $kind "Deployment") }}
{{- fail "merge.observations.enabled: a CronJob's run takes no posts; merge.kind must be Deployment" }}
{{- end }}
{{- if and $observations.tokenSecret (not $observations.enabled) }}
{{- fail "merge.observations.tokenSecret: nothing takes posts; set merge.observations.enabled" }}
{{- end }}
{{- if eq $kind "CronJob" }}
{{- $period := include "latency.cronSeconds" . | int }}
{{- if and $period (ne $period $seconds) }}
{{- fail (printf "merge.interval: %s, but merge.schedule %q runs every %d s; ages are counted by the interval" $interval .Values.merge.schedule $period) }}
{{- end }}
{{- if ge (.Values.merge.activeDeadlineSeconds | int) $seconds }}
{{- fail (printf "merge.activeDeadlineSeconds: %v is not below merge.interval (%s): a hung run would hold up the next" .Values.merge.activeDeadlineSeconds $interval) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "latency.checkExtender" -}}
{{- $x := .Values.extender }}
{{- if eq .Values.mode "extender" }}
{{- if .Values.scheduler.dump }}{{ fail "scheduler.dump: not with mode: extender" }}{{ end }}
{{- range $key := list "bindings" "qps" "burst" }}
{{- if hasKey $.Values.scheduler.config $key }}{{ fail (printf "scheduler.config.%s: not with mode: extender, kube-scheduler binds" $key) }}{{ end }}
{{- end }}
{{- if and $x.kubeScheduler.enabled (or $x.tls.secretName $x.insecure) }}
{{- fail (printf "extender.%s: only with extender.kubeScheduler.enabled: false; beside it requests do not leave the pod" (ternary "tls.secretName" "insecure" (ne $x.tls.secretName ""))) }}
{{- end }}
{{- if not (or $x.kubeScheduler.enabled $x.tls.secretName $x.insecure) }}
{{- fail "extender.tls.secretName: wanted where extender.kubeScheduler.enabled is false: requests come over the network (extender.insecure: true goes without)" }}
{{- end }}
{{- if and $x.tls.secretName $x.insecure }}{{ fail "extender.tls.secretName and extender.insecure: only one of them" }}{{ end }}
{{- end }}
{{- end }}

{{/* "5m" in milliseconds */}}
{{- define "latency.ms" -}}
{{- $number := regexFind "^[0-9]+" . | int64 }}
{{- mul $number (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) (regexFind "[a-z]+$" .)) }}
{{- end }}

{{/* The period of `* * * * *` and of every N minutes; 0 for all others. */}}
{{- define "latency.cronSeconds" -}}
{{- $schedule := .Values.merge.schedule }}
{{- if eq $schedule "* * * * *" }}60
{{- else if regexMatch "^\\*/[0-9]+ \\* \\* \\* \\*$" $schedule }}{{ mul (regexFind "[0-9]+" $schedule | int) 60 }}
{{- else }}0{{ end }}
{{- end }}

{{/*
Two schedulers of one name would decide about the same pods, each unaware of what the other promised. Without a cluster (helm template) the list is empty
and nothing is refused.
*/}}
{{- define "latency.refuseTwin" -}}
{{- if include "latency.serves" . }}
{{- range $other := (lookup "apps/v1" "Deployment" "" "").items }}
{{- $namespace := $other.metadata.namespace }}
{{- $release := dig "metadata" "annotations" "meta.helm.sh/release-name" "" $other }}
{{- $itself := and (eq $namespace $.Release.Namespace) (eq $release $.Release.Name) }}
{{- range $name := splitList "," (dig "metadata" "annotations" "latency-mesh.io/scheduler-names" "" $other) }}
{{- if and (has $name $.Values.scheduler.names) (not $itself) }}
{{- $owner := printf "the Deployment %s" $other.metadata.name }}
{{- if $release }}{{ $owner = printf "the release %s" $release }}{{ end }}
{{- fail (printf "scheduler.names: %q is served by %s in the namespace %s already; choose another name" $name $owner $namespace) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
