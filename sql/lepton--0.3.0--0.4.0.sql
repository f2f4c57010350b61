\echo Use "ALTER EXTENSION lepton UPDATE TO '0.4.0'" to load this file. \quit

SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION _lepton.batching() RETURNS text
	AS 'MODULE_PATHNAME', 'lepton_batching' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION _lepton.batching() IS 'why rows are computed one by one, or NULL';

CREATE VIEW @extschema@.lepton_batching AS
	SELECT b.reason IS NULL AS batching, b.reason,
		CASE WHEN b.reason IS NULL THEN NULL
			WHEN pg_catalog.current_setting('lepton.enable_batching') OPERATOR(pg_catalog.=) 'off' THEN 'SET lepton.enable_batching = on'
			ELSE pg_catalog.format('ALTER DATABASE %I SET session_preload_libraries = lepton',
				pg_catalog.current_database()) END AS remedy
	FROM (SELECT _lepton.batching() AS reason) b;
GRANT SELECT ON @extschema@.lepton_batching TO PUBLIC;
COMMENT ON VIEW @extschema@.lepton_batching IS 'whether the queries of the session compute many rows together, and if not, why';
