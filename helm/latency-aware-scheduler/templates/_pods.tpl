{{/* (list . .Values.probe.image) */}}
{{- define "latency.image" -}}
{{- $root := index . 0 }}{{- $image := index . 1 }}
{{- $registry := $root.Values.global.imageRegistry | default $root.Values.image.registry }}
{{- with $registry }}{{ . }}/{{ end }}{{ $image.repository }}:{{ $image.tag | default $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The metadata of a pod template, without versions: a new chart alone replaces no pods. (list . "probe" .Values.probe) */}}
{{- define "latency.podMetadata" -}}
{{- $root := index . 0 }}{{- $values := index . 2 -}}
labels:
  {{- include "latency.selector" (list $root (index . 1)) | nindent 2 }}
  {{- with merge (dict) $values.podLabels $root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) $values.podAnnotations $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
What all our pods have. They are placed by the cluster's own scheduler: ours cannot place itself. Service links would be variables LATENCY_..., which the
programs take for options. fsGroup: on NFS it does nothing; a disk of a storage class becomes writable by it.
*/}}
{{- define "latency.podBase" -}}
schedulerName: default-scheduler
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with concat (.Values.global.imagePullSecrets | default list) .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Pod Security "restricted" */}}
{{- define "latency.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/*
Where a pod may run. (list . .Values.merge DEFAULT_AFFINITY); a root of false: not moved by onControlPlane, which is an affinity and not a nodeSelector,
because the value of the label differs: "" with kubeadm, "true" with k3s.
*/}}
{{- define "latency.placement" -}}
{{- $root := index . 0 }}{{- $values := index . 1 }}{{- $affinity := index . 2 }}{{- $tolerations := $values.tolerations }}
{{- if and $root $root.Values.onControlPlane }}
{{- $term := dict "matchExpressions" (list (dict "key" "node-role.kubernetes.io/control-plane" "operator" "Exists")) }}
{{- $node := dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" (list $term)) }}
{{- $affinity = merge (dict "nodeAffinity" $node) $affinity }}
{{- $tolerations = append $tolerations (dict "key" "node-role.kubernetes.io/control-plane" "operator" "Exists" "effect" "NoSchedule") }}
{{- end }}
{{- with mergeOverwrite (deepCopy $affinity) $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* An affinity that keeps replicas on different nodes where it can. (list . "scheduler") */}}
{{- define "latency.apart" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
  - weight: 100
    podAffinityTerm:
      topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          {{- include "latency.selector" . | nindent 10 }}
{{- end }}

{{- define "latency.logArgs" -}}
- --log-level={{ .Values.logLevel }}
- --log-format={{ .Values.logFormat }}
{{- end }}

{{/* Annotations of what `helm test` makes, in the order of the number, and removes when all went well */}}
{{- define "latency.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
