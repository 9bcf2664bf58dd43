{{- define "whotalks.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* At most 40 characters, so that suffixes still fit into a name. */}}
{{- define "whotalks.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "whotalks.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "whotalks.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* Names of objects without a namespace: two releases in two namespaces must not meet. */}}
{{- define "whotalks.clusterName" -}}
{{- $name := include "whotalks.fullname" . -}}
{{- if eq $name .Release.Namespace -}}{{ $name }}{{- else -}}{{ printf "%s-%s" .Release.Namespace $name | trunc 52 | trimSuffix "-" }}{{- end -}}
{{- end }}

{{/* Labels that select the pods of one component: list of context, component. */}}
{{- define "whotalks.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* All labels of an object: list of context, component. */}}
{{- define "whotalks.labels" -}}
{{- $root := index . 0 -}}
{{ include "whotalks.selectorLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: whotalks
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Name of an image: list of image values, default tag. */}}
{{- define "whotalks.image" -}}
{{- $image := index . 0 -}}
{{- if $image.registry -}}{{ $image.registry }}/{{- end -}}
{{ $image.repository }}:{{ default (index . 1) $image.tag }}
{{- end }}

{{- define "whotalks.agentServiceAccount" -}}
{{- if .Values.serviceAccount.agent.create -}}
{{- default (printf "%s-agent" (include "whotalks.fullname" .)) .Values.serviceAccount.agent.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.agent.name -}}
{{- end -}}
{{- end }}

{{- define "whotalks.aggregatorServiceAccount" -}}
{{- if .Values.serviceAccount.aggregator.create -}}
{{- default (printf "%s-aggregator" (include "whotalks.fullname" .)) .Values.serviceAccount.aggregator.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.aggregator.name -}}
{{- end -}}
{{- end }}

{{- define "whotalks.agentPriorityClass" -}}
{{- if .Values.agent.priorityClassName -}}
{{- .Values.agent.priorityClassName -}}
{{- else if .Values.priorityClass.create -}}
{{- printf "%s-agent" (include "whotalks.clusterName" .) -}}
{{- end -}}
{{- end }}

{{/* The Secret with NATS's passwords, made by the chart or given. */}}
{{- define "whotalks.natsSecret" -}}
{{- default (printf "%s-nats-auth" (include "whotalks.fullname" .)) .Values.nats.auth.existingSecret -}}
{{- end }}

{{- define "whotalks.natsUrl" -}}
{{- if .Values.nats.enabled -}}
{{- printf "nats://%s-nats.%s.svc.%s:4222" (include "whotalks.fullname" .) .Release.Namespace .Values.clusterDomain -}}
{{- else -}}
{{- .Values.nats.external.url -}}
{{- end -}}
{{- end }}

{{/* How a program finds NATS: list of context, agent|aggregator. */}}
{{- define "whotalks.natsEnv" -}}
{{- $root := index . 0 -}}
{{- $who := index . 1 -}}
{{- $external := $root.Values.nats.external -}}
- name: WHOTALKS_NATS_URL
  value: {{ include "whotalks.natsUrl" $root | quote }}
{{- if $root.Values.nats.enabled }}
- name: WHOTALKS_NATS_USER
  value: {{ $who }}
- name: WHOTALKS_NATS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "whotalks.natsSecret" $root }}
      key: {{ $who }}-password
{{- else if $external.credsSecret }}
- name: WHOTALKS_NATS_CREDS
  value: /etc/whotalks/nats/{{ $who }}.creds
{{- else if $external.passwordSecret }}
- name: WHOTALKS_NATS_USER
  valueFrom:
    secretKeyRef:
      name: {{ $external.passwordSecret }}
      key: {{ $who }}-user
- name: WHOTALKS_NATS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $external.passwordSecret }}
      key: {{ $who }}-password
{{- end }}
{{- end }}

{{/* The credentials file as a volume, where there is one: list of context, agent|aggregator. */}}
{{- define "whotalks.credsVolume" -}}
{{- $root := index . 0 -}}
{{- $who := index . 1 -}}
{{- if and (not $root.Values.nats.enabled) $root.Values.nats.external.credsSecret }}
- name: nats-creds
  secret:
    secretName: {{ $root.Values.nats.external.credsSecret }}
    items:
      - key: {{ $who }}.creds
        path: {{ $who }}.creds
{{- end }}
{{- end }}

{{- define "whotalks.credsMount" -}}
{{- if and (not .Values.nats.enabled) .Values.nats.external.credsSecret }}
- name: nats-creds
  mountPath: /etc/whotalks/nats
  readOnly: true
{{- end }}
{{- end }}

{{/* Whether this Kubernetes has appArmorProfile as a field (1.30) rather than as an annotation. */}}
{{- define "whotalks.hasAppArmorField" -}}
{{- if semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version -}}true{{- end -}}
{{- end }}

{{/* A quantity as a number of bytes: 512Mi, 2Gi, 500M, 1000000; 0 where it has another form. */}}
{{- define "whotalks.bytes" -}}
{{- $text := toString . -}}
{{- if hasSuffix "Ki" $text -}}{{ mul (trimSuffix "Ki" $text | int64) 1024 }}
{{- else if hasSuffix "Mi" $text -}}{{ mul (trimSuffix "Mi" $text | int64) 1048576 }}
{{- else if hasSuffix "Gi" $text -}}{{ mul (trimSuffix "Gi" $text | int64) 1073741824 }}
{{- else if hasSuffix "Ti" $text -}}{{ mul (trimSuffix "Ti" $text | int64) 1099511627776 }}
{{- else if hasSuffix "k" $text -}}{{ mul (trimSuffix "k" $text | int64) 1000 }}
{{- else if hasSuffix "M" $text -}}{{ mul (trimSuffix "M" $text | int64) 1000000 }}
{{- else if hasSuffix "G" $text -}}{{ mul (trimSuffix "G" $text | int64) 1000000000 }}
{{- else -}}{{ $text | int64 }}
{{- end -}}
{{- end }}

{{/* A duration as a number of milliseconds: 500ms, 1.5h. */}}
{{- define "whotalks.milliseconds" -}}
{{- $text := toString . -}}
{{- if hasSuffix "ms" $text -}}{{ trimSuffix "ms" $text | float64 | int64 }}
{{- else if hasSuffix "s" $text -}}{{ mulf (trimSuffix "s" $text | float64) 1000 | int64 }}
{{- else if hasSuffix "m" $text -}}{{ mulf (trimSuffix "m" $text | float64) 60000 | int64 }}
{{- else -}}{{ mulf (trimSuffix "h" $text | float64) 3600000 | int64 }}
{{- end -}}
{{- end }}

{{/* Limits that must fit each other, for the chart's own NATS. */}}
{{- define "whotalks.validateNats" -}}
{{- $nats := .Values.nats -}}
{{- $need := include "whotalks.natsStoreBytes" . | int64 -}}
{{- if lt (include "whotalks.bytes" .Values.stream.maxBytes | int64) 33554432 -}}
{{- fail (printf "stream.maxBytes (%s) is less than 32Mi: it would not hold a full report of each node" .Values.stream.maxBytes) -}}
{{- end -}}
{{- if and $nats.persistence.enabled (gt (add (include "whotalks.bytes" .Values.stream.maxBytes | int64) 67108864) $need) -}}
{{- fail (printf "nats.persistence.size (%s) is too small for stream.maxBytes (%s): the volume would be full before the stream is; it takes 64Mi more, and a tenth of the volume is the file system's" $nats.persistence.size .Values.stream.maxBytes) -}}
{{- end -}}
{{- range $kind, $given := pick $nats.resources "requests" "limits" -}}
{{- $memory := include "whotalks.bytes" ($given.memory | default "0") | int64 -}}
{{- if and (eq $kind "limits") (gt $memory 0) (lt $memory 134217728) -}}
{{- fail (printf "nats.resources.limits.memory (%s) is less than 128Mi: NATS would be killed under load" $given.memory) -}}
{{- end -}}
{{- $storage := include "whotalks.bytes" (get $given "ephemeral-storage" | default "0") | int64 -}}
{{- if and (not $nats.persistence.enabled) (gt $storage 0) (lt $storage $need) -}}
{{- fail (printf "nats.resources.%s.ephemeral-storage (%s) is too small for stream.maxBytes (%s): NATS would be evicted before the stream is full; it takes a quarter more and 64Mi" $kind (get $given "ephemeral-storage") $.Values.stream.maxBytes) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* NATS's resources. The kubelet evicts first what uses more storage than it asked for, so the stream is asked for. */}}
{{- define "whotalks.natsResources" -}}
{{- $resources := deepCopy .Values.nats.resources -}}
{{- if not .Values.nats.persistence.enabled -}}
{{- $storage := dict "requests" (dict "ephemeral-storage" (include "whotalks.natsStoreBytes" .)) -}}
{{- $resources = mergeOverwrite $storage $resources -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end }}

{{/* What Go's collector keeps NATS below: four fifths of its limit; nothing without one. */}}
{{- define "whotalks.goMemoryLimit" -}}
{{- $limit := include "whotalks.bytes" ((.Values.nats.resources.limits | default dict).memory | default "0") | int64 -}}
{{- if gt $limit 0 -}}{{ div (mul $limit 4) 5 }}{{- end -}}
{{- end }}

{{/* A sentence for every combination that cannot work. */}}
{{- define "whotalks.validate" -}}
{{- $nats := .Values.nats -}}
{{- if and (not $nats.enabled) (not $nats.external.url) -}}
{{- fail "nats.enabled is false and nats.external.url is empty: say where NATS is (nats.external.url: nats://host:4222) or let the chart run it" -}}
{{- end -}}
{{- if and $nats.enabled $nats.external.url -}}
{{- fail "nats.external.url is set while nats.enabled is true: set nats.enabled=false to use the existing NATS" -}}
{{- end -}}
{{- if and $nats.external.passwordSecret $nats.external.credsSecret -}}
{{- fail "nats.external.passwordSecret and nats.external.credsSecret are both set: agents and aggregator sign in with one of them" -}}
{{- end -}}
{{- if and (not $nats.persistence.enabled) $nats.persistence.retain -}}
{{- fail "nats.persistence.retain needs nats.persistence.enabled: there is no volume to leave behind" -}}
{{- end -}}
{{- if $nats.enabled -}}{{- include "whotalks.validateNats" . -}}{{- end -}}
{{- $maxAge := include "whotalks.milliseconds" .Values.stream.maxAge | int64 -}}
{{- if gt (include "whotalks.milliseconds" .Values.aggregator.closedKeep | int64) $maxAge -}}
{{- fail (printf "aggregator.closedKeep (%s) is longer than stream.maxAge (%s): an aggregator that restarts could not know what closed before" .Values.aggregator.closedKeep .Values.stream.maxAge) -}}
{{- end -}}
{{- if gt (mul 2 (include "whotalks.milliseconds" .Values.agent.keyframeInterval | int64)) $maxAge -}}
{{- fail (printf "agent.keyframeInterval (%s) is longer than half of stream.maxAge (%s): the stream could be without a full report of a node" .Values.agent.keyframeInterval .Values.stream.maxAge) -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.agent.create) (not .Values.serviceAccount.agent.name) .Values.rbac.create -}}
{{- fail "serviceAccount.agent.create is false and has no name: the namespace's default ServiceAccount would be allowed to watch all pods" -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.aggregator.create) (not .Values.serviceAccount.aggregator.name) .Values.rbac.create -}}
{{- fail "serviceAccount.aggregator.create is false and has no name: the namespace's default ServiceAccount would be allowed to watch the cluster" -}}
{{- end -}}
{{- end }}

{{/* The kubelet probes the node's own address, unless the agent listens on loopback only. */}}
{{- define "whotalks.agentProbeHost" -}}
{{- if eq .Values.agent.metrics.address "127.0.0.1" }}, host: 127.0.0.1{{ end -}}
{{- end }}

{{/*
Room for JetStream: nine tenths of the volume, or the stream's bytes, a quarter more, and 64Mi. It removes whole files of
up to 8Mi, so that a stream of 1Mi took 4Mi and one of 64Mi took 72Mi.
*/}}
{{- define "whotalks.natsStoreBytes" -}}
{{- if .Values.nats.persistence.enabled -}}
{{- div (mul (include "whotalks.bytes" .Values.nats.persistence.size | int64) 9) 10 -}}
{{- else -}}
{{- add (div (mul (include "whotalks.bytes" .Values.stream.maxBytes | int64) 5) 4) 67108864 -}}
{{- end -}}
{{- end }}

{{/* nats-server's configuration. Passwords come from the environment, so that they are in one Secret only. */}}
{{- define "whotalks.natsConfig" -}}
server_name: $SERVER_NAME
listen: "0.0.0.0:4222"
http: "127.0.0.1:8222"
max_payload: 1MB
jetstream {
  store_dir: "/data"
  max_memory_store: 0
  max_file_store: {{ include "whotalks.natsStoreBytes" . }}
}
authorization {
  users: [
    {
      user: agent
      password: $AGENT_PASSWORD
      permissions {
        # Reports and nothing else; acknowledgements come back on inboxes of the agents' own prefix.
        publish: [ "whotalks.v1.report.>" ]
        subscribe: [ "_INBOX_AGENT.>" ]
      }
    }
    { user: aggregator, password: $AGGREGATOR_PASSWORD }
  ]
}
{{- if gt (int .Values.nats.replicas) 1 }}
cluster {
  name: {{ .Release.Name | quote }}
  listen: "0.0.0.0:6222"
  authorization { user: cluster, password: $CLUSTER_PASSWORD }
  routes: [{{ range $i := until (int .Values.nats.replicas) }}{{ if $i }}, {{ end }}$ROUTE_{{ $i }}{{ end }}]
}
{{- end }}
{{- end }}
