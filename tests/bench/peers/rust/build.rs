fn main() -> std::io::Result<()> {
    tonic_prost_build::configure()
        .type_attribute(".", "#[derive(serde::Serialize)]")
        .field_attribute("peer.v1.Call.event_data", "#[serde(skip_serializing_if = \"Option::is_none\")]")
        .compile_protos(&["../peer.proto"], &[".."])
}
