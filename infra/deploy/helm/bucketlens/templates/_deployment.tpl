{{- /*
A deployment of one program. Takes a dict: root, component (the program), name, stage (workers only), values, port, settings
(a dict of variables; `env` of the values wins), secrets (variable → key of the secret), grace, strategy, keda (bool).
*/ -}}
{{- define "bucketlens.deployment" -}}
{{- $v := .values -}}
{{- $gpu := $v.gpu | default dict -}}
{{- /* A list item replaces the whole default item, so the defaults are repeated here. */ -}}
{{- $usual := dict "requests" (dict "cpu" "1" "memory" "1Gi") "limits" (dict "memory" "4Gi") -}}
{{- $resources := $v.resources | default $usual -}}
{{- $settings := .settings -}}
{{- if $gpu.enabled }}
{{- $settings = merge (dict "BUCKETLENS__RUNTIME__PROVIDER" "cuda" "BUCKETLENS__RUNTIME__REQUIRE_GPU" "true") $settings }}
{{- end }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "bucketlens.fullname" . }}
  labels: {{- include "bucketlens.labels" . | nindent 4 }}
spec:
  {{- if not .keda }}
  replicas: {{ if hasKey $v "replicas" }}{{ $v.replicas }}{{ else }}1{{ end }}
  {{- end }}
  {{- if $gpu.enabled }}
  # A second pod would wait for the GPU of the first.
  strategy: {type: Recreate}
  {{- end }}
  {{- with .strategy }}
  strategy: {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    matchLabels: {{- include "bucketlens.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "bucketlens.labels" . | nindent 8 }}
    spec:
      serviceAccountName: {{ .root.Release.Name }}-{{ .component }}
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: {{ $v.terminationGracePeriodSeconds | default .grace }}
      securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
      {{- with .root.Values.image.pullSecrets }}
      imagePullSecrets: {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      {{- with $gpu.runtimeClassName }}
      runtimeClassName: {{ . }}
      {{- end }}
      {{- with $v.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $v.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "bucketlens.selector" . | nindent 14 }}
      containers:
        - name: {{ .component }}
          image: "{{ .root.Values.image.repository }}/{{ .component }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}{{ if $gpu.enabled }}-gpu{{ end }}"
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
          env:
            - name: POD_IP
              valueFrom: {fieldRef: {fieldPath: status.podIP}}
            {{- include "bucketlens.sharedEnv" .root | nindent 12 }}
            {{- /* `merge` treats an empty value as missing. */}}
            {{- $env := deepCopy $settings }}
            {{- range $name, $value := $v.env | default dict }}{{ $_ := set $env $name $value }}{{ end }}
            {{- range $name, $value := $env }}
            - name: {{ $name }}
              value: {{ $value | quote }}
            {{- end }}
            {{- range $name, $key := .secrets }}
            {{- include "bucketlens.fromSecret" (dict "root" $.root "name" $name "key" $key "optional" true) | nindent 12 }}
            {{- end }}
          ports:
            - {name: http, containerPort: {{ .port }}}
          # A model may take minutes to load. Without store or broker a pod is unready, and not
          # restarted.
          startupProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 5, failureThreshold: 120}
          livenessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 20, timeoutSeconds: 5}
          readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 5, timeoutSeconds: 3}
          {{- $limits := deepCopy ($resources.limits | default dict) }}
          {{- if $gpu.enabled }}{{ $_ := set $limits ($gpu.resource | default "nvidia.com/gpu") ($gpu.count | default 1) }}{{ end }}
          resources:
            requests: {{- toYaml ($resources.requests | default dict) | nindent 14 }}
            limits: {{- toYaml $limits | nindent 14 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            {{- if .root.Values.models.existingClaim }}
            - {name: models, mountPath: /models, readOnly: true}
            {{- end }}
      volumes:
        - {name: tmp, emptyDir: {}}
        {{- with .root.Values.models.existingClaim }}
        - {name: models, persistentVolumeClaim: {claimName: {{ . }}, readOnly: true}}
        {{- end }}
{{- end }}
