{{/*
Names. The release latency-aware-scheduler in the namespace latency-scheduler has those of the predecessor (my-latency-scheduler, latency-pvc, latency-nfs-pv);
any other is prefixed, so that releases live side by side.
*/}}
{{- define "latency.isCanonical" -}}
{{- if and (eq .Release.Name "latency-aware-scheduler") (eq .Release.Namespace "latency-scheduler") (not .Values.fullnameOverride) }}true{{ end }}
{{- end }}

{{/* (list . "latency-probe" 63): a name in the namespace, of at most so many characters. What is too long ends in a hash of the whole. */}}
{{- define "latency.name" -}}
{{- $root := index . 0 }}{{- $base := index . 1 }}{{- $most := index . 2 | int }}
{{- $name := $base }}
{{- if not (include "latency.isCanonical" $root) }}
{{- $name = printf "%s-%s" ($root.Values.fullnameOverride | default ($root.Release.Name | replace "." "-")) $base }}
{{- end }}
{{- if gt (len $name) $most }}
{{- $name = printf "%s-%s" ($name | trunc (sub $most 9 | int) | trimSuffix "-") ($name | sha256sum | trunc 8) }}
{{- end }}
{{- $name }}
{{- end }}

{{/*
(list . "latency-sched"): a name in the cluster. A namespace has no dot, so NAMESPACE.RELEASE is read in one way only; with a `-` the release c in a-b
and the release b-c in a would be one.
*/}}
{{- define "latency.clusterName" -}}
{{- $root := index . 0 }}{{- $base := index . 1 }}
{{- if include "latency.isCanonical" $root }}{{ $base }}
{{- else }}{{ printf "%s.%s.%s" $root.Release.Namespace ($root.Values.fullnameOverride | default $root.Release.Name) $base }}{{ end }}
{{- end }}

{{- define "latency.scheduler" -}}{{ include "latency.name" (list . "my-latency-scheduler" 63) }}{{- end }}
{{- define "latency.probe" -}}{{ include "latency.name" (list . "latency-probe" 63) }}{{- end }}
{{/* a CronJob's name leaves 11 characters to its Jobs */}}
{{- define "latency.merge" -}}{{ include "latency.name" (list . "latency-merge" 52) }}{{- end }}
{{- define "latency.config" -}}{{ include "latency.name" (list . "latency-sched" 63) }}{{- end }}
{{- define "latency.clients" -}}{{ include "latency.name" (list . "latency-clients" 63) }}{{- end }}
{{- define "latency.test" -}}{{ include "latency.name" (list . "latency-test" 50) }}{{- end }}

{{- define "latency.claim" -}}
{{ .Values.persistence.existingClaim | default (include "latency.name" (list . "latency-pvc" 63)) }}
{{- end }}
{{/* where cluster-latency.json is */}}
{{- define "latency.snapshotClaim" -}}
{{ .Values.persistence.snapshot.existingClaim | default (include "latency.claim" .) }}
{{- end }}

{{- define "latency.schedulerAccount" -}}
{{- $a := .Values.scheduler.serviceAccount }}
{{- if $a.create }}{{ $a.name | default (include "latency.name" (list . "latency-sched" 63)) }}{{ else }}{{ $a.name | default "default" }}{{ end }}
{{- end }}
{{- define "latency.mergeAccount" -}}
{{- $a := .Values.merge.serviceAccount }}
{{- if $a.create }}{{ $a.name | default (include "latency.name" (list . "latency-merge" 63)) }}{{ else }}{{ $a.name | default "default" }}{{ end }}
{{- end }}

{{/* What a selector holds: it can never change, so nothing else is in it. (list . "probe") */}}
{{- define "latency.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "latency.labels" -}}
{{- $root := index . 0 -}}
{{ include "latency.selector" . }}
app.kubernetes.io/part-of: latency-mesh
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The body of metadata. (dict "root" . "component" "probe" "name" NAME "annotations" DICT "cluster" BOOL "namespace" ANOTHER) */}}
{{- define "latency.metadata" -}}
name: {{ .name }}
{{- if not .cluster }}
namespace: {{ .namespace | default .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "latency.labels" (list .root .component) | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
