{{- /* Names, short enough for Kubernetes: release, program, and for workers the stage. */ -}}
{{- define "bucketlens.fullname" -}}
{{ printf "%s-%s" .root.Release.Name .name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The names of a service within the cluster, with commas. */ -}}
{{- define "bucketlens.serviceNames" -}}
{{- $name := include "bucketlens.fullname" . -}}
{{- $space := printf "%s.%s" $name .root.Release.Namespace -}}
{{ join "," (list $name $space (printf "%s.svc" $space) (printf "%s.svc.cluster.local" $space)) }}
{{- end }}

{{- define "bucketlens.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .stage }}
bucketlens/stage: {{ . }}
{{- end }}
{{- end }}

{{- define "bucketlens.labels" -}}
{{ include "bucketlens.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "bucketlens.fromSecret" -}}
- name: {{ .name }}
  valueFrom: {secretKeyRef: {name: {{ .root.Values.existingSecret }}, key: {{ .key }}, optional: {{ .optional }}}}
{{- end }}

{{- /* Settings of every program. */ -}}
{{- define "bucketlens.sharedEnv" -}}
- name: BUCKETLENS__BUCKET__NAME
  value: {{ required "bucket.name is missing" .Values.bucket.name | quote }}
- name: BUCKETLENS__BUCKET__ENDPOINT
  value: {{ .Values.bucket.endpoint | quote }}
- name: BUCKETLENS__BUCKET__PUBLIC_ENDPOINT
  value: {{ .Values.bucket.publicEndpoint | quote }}
- name: BUCKETLENS__BUCKET__REGION
  value: {{ .Values.bucket.region | quote }}
- name: BUCKETLENS__BUCKET__PATH_STYLE
  value: {{ .Values.bucket.pathStyle | quote }}
- name: BUCKETLENS__AMQP__NAMESPACE
  value: {{ .Values.amqpNamespace | quote }}
{{ include "bucketlens.fromSecret" (dict "root" . "name" "BUCKETLENS__AMQP__URL" "key" "amqp-url" "optional" false) }}
{{ include "bucketlens.fromSecret" (dict "root" . "name" "BUCKETLENS__BUCKET__ACCESS_KEY_ID" "key" "access-key-id" "optional" true) }}
{{ include "bucketlens.fromSecret" (dict "root" . "name" "BUCKETLENS__BUCKET__SECRET_ACCESS_KEY" "key" "secret-access-key" "optional" true) }}
{{- end }}
