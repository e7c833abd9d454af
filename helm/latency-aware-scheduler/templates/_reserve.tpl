{{/* "true": room is kept, and who keeps it is made. In mode extender kube-scheduler places pods; it knows no such room. */}}
{{- define "latency.reserves" -}}
{{- if and (eq .Values.mode "standalone") .Values.reserve.enabled }}true{{ end }}
{{- end }}

{{/* Values that are empty mean one thing with healing, another without: a death must be known in seconds. */}}
{{- define "latency.mergeKind" -}}{{ .Values.merge.kind | default (ternary "Deployment" "CronJob" .Values.healing.enabled) }}{{- end }}
{{- define "latency.mergeInterval" -}}{{ .Values.merge.interval | default (ternary "5s" "60s" .Values.healing.enabled) }}{{- end }}
{{- define "latency.probeInterval" -}}{{ .Values.probe.interval | default (ternary "5s" "10s" .Values.healing.enabled) }}{{- end }}
{{- define "latency.probePublish" -}}{{ .Values.probe.publish | default (ternary "5s" "30s" .Values.healing.enabled) }}{{- end }}
{{/* Two, so that the node that fails takes only one along. Posts of observations go to one pod, so there is one. */}}
{{- define "latency.mergeReplicas" -}}{{ ternary 2 1 (and .Values.healing.enabled (not .Values.merge.observations.enabled)) }}{{- end }}

{{/*
A class is cluster-wide, and its value can never change, so one that is not the default is in the name. Names that begin with "system-" are Kubernetes' own.
*/}}
{{- define "latency.reserveClass" -}}
{{- $class := .Values.reserve.priorityClass }}
{{- $name := $class.name }}
{{- if not $name }}
{{- $name = include "latency.clusterName" (list . "latency-mesh-reserve") }}
{{- if ne (int64 $class.value) 1000000 }}{{ $name = printf "%s.%d" $name (int64 $class.value) }}{{ end }}
{{- if hasPrefix "system-" $name }}{{ $name = printf "in.%s" $name }}{{ end }}
{{- end }}
{{- $name | replace ".-" ".minus-" }}
{{- end }}

{{- define "latency.reserveImage" -}}
{{- $image := .Values.reserve.image }}
{{- with .Values.global.imageRegistry | default $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}{{ with $image.tag }}:{{ . }}{{ end }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The file: what the user wrote, reserve and healing. Only what is on: an extender takes neither. */}}
{{- define "latency.schedulerConfiguration" -}}
{{- $config := deepCopy .Values.scheduler.config }}
{{- if include "latency.reserves" . }}
{{- $reserve := dict "enabled" true "priorityClass" (include "latency.reserveClass" .) "image" (include "latency.reserveImage" .) }}
{{- $_ := set $reserve "owner" (printf "ConfigMap/%s" (include "latency.config" .)) }}
{{- if not (has "*" .Values.reserve.allow) }}{{ $_ := set $reserve "allow" .Values.reserve.allow }}{{ end }}
{{- with .Values.reserve.default }}{{ $_ := set $reserve "default" . }}{{ end }}
{{- with .Values.reserve.most }}{{ $_ := set $reserve "most" . }}{{ end }}
{{- $_ := set $config "reserve" $reserve }}
{{- end }}
{{- with .Values.healing }}
{{- if .enabled }}
{{- $_ := set $config "healing" (dict "enabled" true "after" .after "perMinute" (int64 .evictionsPerMinute) "perHour" (int64 .evictionsPerHour) "statefulSets" .statefulSets) }}
{{- end }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{/* What of it a running latency-sched would not take: it goes on the pods, so that a change replaces them. */}}
{{- define "latency.schedulerRestart" -}}
reserve={{ ternary "on" "off" (eq (include "latency.reserves" .) "true") }} healing={{ ternary "on" "off" .Values.healing.enabled }}
{{- end }}

{{/* The pods that keep room are known by their namespace: two releases in one would take each other's for their own. */}}
{{- define "latency.refuseNeighbour" -}}
{{- if include "latency.reserves" . }}
{{- range $other := (lookup "apps/v1" "Deployment" .Release.Namespace "").items }}
{{- $release := dig "metadata" "annotations" "meta.helm.sh/release-name" "" $other }}
{{- if and (ne $release $.Release.Name) (contains "reserve=on" (dig "spec" "template" "metadata" "annotations" "latency-mesh.io/read-at-start" "" $other)) }}
{{- fail (printf "reserve.enabled: the Deployment %s in this namespace keeps room here already; choose another namespace, or reserve.enabled: false" $other.metadata.name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "latency.checkReserve" -}}
{{- $config := .Values.scheduler.config }}
{{- if hasKey $config "reserve" }}
{{- fail "scheduler.config.reserve: is made from the chart's own value reserve, which also makes the class and the rights" }}
{{- end }}
{{- if hasKey $config "healing" }}
{{- fail "scheduler.config.healing: is made from the chart's own value healing, which also makes the rights and the pace of the mesh" }}
{{- end }}
{{- $class := .Values.reserve.priorityClass }}
{{- if not (or $class.create $class.name) }}{{ fail "reserve.priorityClass.name: wanted where reserve.priorityClass.create is false" }}{{ end }}
{{- if and $class.create (hasPrefix "system-" $class.name) }}
{{- fail "reserve.priorityClass.name: names that begin with system- are Kubernetes' own" }}
{{- end }}
{{- if and (has "*" .Values.reserve.default) (gt (len .Values.reserve.default) 1) }}{{ fail "reserve.default: \"*\" is all namespaces; nothing else beside it" }}{{ end }}
{{- if and (has "*" .Values.reserve.allow) (gt (len .Values.reserve.allow) 1) }}{{ fail "reserve.allow: \"*\" is all namespaces; nothing else beside it" }}{{ end }}
{{- range .Values.reserve.default }}
{{- if not (or (eq . "*") (has "*" $.Values.reserve.allow) (has . $.Values.reserve.allow)) }}{{ fail (printf "reserve.default: %s is not in reserve.allow" .) }}{{ end }}
{{- end }}
{{- if not (or .Values.reserve.image.tag .Values.reserve.image.digest) }}{{ fail "reserve.image.tag: wanted where reserve.image.digest is empty" }}{{ end }}
{{- if and .Values.reserve.default (not .Values.reserve.enabled) }}{{ fail "reserve.default: nothing is kept; set reserve.enabled" }}{{ end }}
{{- if and .Values.reserve.most (not .Values.reserve.enabled) }}{{ fail "reserve.most: nothing is kept; set reserve.enabled" }}{{ end }}
{{- if eq .Values.mode "extender" }}
{{- if .Values.reserve.default }}{{ fail "reserve.default: not with mode: extender, kube-scheduler places the replacements and knows of no room that is kept for them" }}{{ end }}
{{- if .Values.healing.enabled }}{{ fail "healing.enabled: not with mode: extender, latency-sched only answers there and writes nothing" }}{{ end }}
{{- end }}
{{- if .Values.healing.enabled }}{{ include "latency.checkHealing" . }}{{ end }}
{{- end }}

{{- define "latency.checkHealing" -}}
{{- if lt (include "latency.ms" .Values.healing.after | int64) 15000 }}
{{- fail (printf "healing.after: %s is less than 15s, and kubelets renew their Leases each 10 s" .Values.healing.after) }}
{{- end }}
{{- if eq .Values.merge.kind "CronJob" }}
{{- fail "merge.kind: CronJob, but healing.enabled needs a merger that stays up; leave it empty, or Deployment" }}
{{- end }}
{{- $pace := dict "merge.interval" (include "latency.mergeInterval" .) "probe.interval" (include "latency.probeInterval" .) "probe.publish" (include "latency.probePublish" .) }}
{{- range $name, $value := $pace }}
{{- if gt (include "latency.ms" $value | int64) 5000 }}
{{- fail (printf "%s: %s, but healing.enabled needs 5s or less; leave it empty for 5s" $name $value) }}
{{- end }}
{{- end }}
{{- end }}
