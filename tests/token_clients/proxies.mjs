// The configurations of the two proxies: both end TLS, ask for the client's certificate without demanding one, and remove the
// path prefix /v1.
export const nginx = ({ port, upstream, folder }) => `
daemon off; master_process off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr warn;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/a; proxy_temp_path ${folder}/b; fastcgi_temp_path ${folder}/c; uwsgi_temp_path ${folder}/d; scgi_temp_path ${folder}/e;
  server {
    listen 127.0.0.1:${port} ssl;
    http2 on;
    ssl_certificate ${folder}/server.pem;
    ssl_certificate_key ${folder}/server.key;
    ssl_verify_client optional_no_ca;
    add_header X-Protocol $server_protocol always;
    location /v1/ {
      proxy_pass http://127.0.0.1:${upstream}/;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
    }
  }
}
`;

export const envoy = ({ port, upstream, folder }) => `
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }
    filter_chains:
    - transport_socket:
        name: tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: false
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_certificates: [{ certificate_chain: { filename: ${folder}/server.pem }, private_key: { filename: ${folder}/server.key } }]
            validation_context: { trusted_ca: { filename: ${folder}/server.pem }, trust_chain_verification: ACCEPT_UNTRUSTED }
      filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: edge
          forward_client_cert_details: SANITIZE_SET
          http_filters: [{ name: router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }]
          route_config:
            response_headers_to_add: [{ header: { key: x-protocol, value: "%PROTOCOL%" } }]
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{ match: { prefix: /v1/ }, route: { cluster: app, prefix_rewrite: / } }]
  clusters:
  - name: app
    connect_timeout: 1s
    load_assignment:
      cluster_name: app
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${upstream} } } } }] }]
`;
