{{/* mode: extender. "true": these pods have a kube-scheduler. */}}
{{- define "latency.hasKubeScheduler" -}}
{{- if and (eq .Values.mode "extender") .Values.extender.kubeScheduler.enabled }}true{{ end }}
{{- end }}

{{/* "true": the release itself serves scheduler.names; else a kube-scheduler elsewhere does. */}}
{{- define "latency.serves" -}}
{{- if or (eq .Values.mode "standalone") .Values.extender.kubeScheduler.enabled }}true{{ end }}
{{- end }}

{{- define "latency.kubeSchedulerConfig" -}}{{ include "latency.name" (list . "latency-kube-scheduler" 63) }}{{- end }}
{{- define "latency.extenderService" -}}{{ include "latency.name" (list . "latency-extender" 63) }}{{- end }}

{{/* The version of the cluster without what a provider adds: v1.36.3-gke.1 has the image v1.36.3. */}}
{{- define "latency.kubeSchedulerImage" -}}
{{- $image := .Values.extender.kubeScheduler.image }}
{{- $registry := .Values.global.imageRegistry | default $image.registry }}
{{- with $registry }}{{ . }}/{{ end }}{{ $image.repository }}:{{ $image.tag | default (regexFind "^v[0-9]+\\.[0-9]+\\.[0-9]+" .Capabilities.KubeVersion.Version) }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/*
What kube-scheduler is told. The Lease is the one of standalone mode: during an upgrade from one mode to the other a latency-sched and a kube-scheduler
compete for it, and never place pods of one name at a time.
*/}}
{{- define "latency.kubeSchedulerConfiguration" -}}
{{- $x := .Values.extender }}
{{- $lease := .Values.scheduler.leaderElection -}}
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection:
  leaderElect: true
  resourceName: {{ first .Values.scheduler.names | quote }}
  resourceNamespace: {{ .Release.Namespace | quote }}
  leaseDuration: {{ $lease.leaseDuration }}
  renewDeadline: {{ $lease.renewDeadline }}
  retryPeriod: {{ $lease.retryPeriod }}
percentageOfNodesToScore: {{ $x.percentageOfNodesToScore }}
profiles:
{{- range .Values.scheduler.names }}
- schedulerName: {{ . | quote }}
  {{- if not $x.defaultScores }}
  plugins: {score: {disabled: [{name: "*"}]}}
  {{- end }}
{{- end }}
extenders:
- urlPrefix: http://127.0.0.1:8090
  filterVerb: filter
  prioritizeVerb: prioritize
  {{- if $x.bind }}
  bindVerb: bind
  {{- end }}
  weight: {{ $x.weight }}
  # names instead of whole objects
  nodeCacheCapable: true
  # latency-sched answers within 1 s, whatever happens
  httpTimeout: 2s
  ignorable: {{ $x.ignorable }}
  {{- with $x.managedResources }}
  managedResources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/*
Its certificate is of its own making and in memory, so nothing is written. /livez and /readyz are open to kubelet; its metrics want a token with the right
to /metrics, so the chart does not have them scraped.
*/}}
{{- define "latency.kubeSchedulerContainer" -}}
{{- $k := .Values.extender.kubeScheduler -}}
- name: kube-scheduler
  image: {{ include "latency.kubeSchedulerImage" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [kube-scheduler]
  args:
  - --config=/etc/kube-scheduler/config.yaml
  {{- with $k.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  ports:
  - {name: kube-scheduler, containerPort: 10259}
  startupProbe:
    httpGet: {path: /livez, port: kube-scheduler, scheme: HTTPS}
    periodSeconds: 2
    failureThreshold: 60
    timeoutSeconds: 5
  livenessProbe:
    httpGet: {path: /livez, port: kube-scheduler, scheme: HTTPS}
    periodSeconds: 10
    failureThreshold: 8
    timeoutSeconds: 15
  readinessProbe:
    httpGet: {path: /readyz, port: kube-scheduler, scheme: HTTPS}
    periodSeconds: 5
    timeoutSeconds: 5
  securityContext:
    {{- include "latency.restricted" . | nindent 4 }}
  resources:
    {{- toYaml $k.resources | nindent 4 }}
  volumeMounts:
  - {name: kube-scheduler, mountPath: /etc/kube-scheduler, readOnly: true}
{{- end }}
