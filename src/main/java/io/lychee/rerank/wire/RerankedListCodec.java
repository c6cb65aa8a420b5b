package io.lychee.rerank.wire;

import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Latency;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.Usage;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;

/** {@code reranked_list.avsc} to {@link RerankedList} and back. */
public final class RerankedListCodec {

    private static final WireSchema TYPE = WireSchema.RERANKED_LIST;
    private static final Schema CANDIDATE = TYPE.schema("results").getElementType();

    private static final UnknownFields UNKNOWN = new UnknownFields();

    private RerankedListCodec() {}

    /** @throws UnreadableException when {@code value} is no answer of a known schema */
    public static Answer decode(byte[] value) throws UnreadableException {
        return fromRecord(TYPE.read(value, ItemLimit.NONE, UNKNOWN));
    }

    public static GenericRecord toRecord(RerankedList list) {
        GenericRecord record = new GenericData.Record(TYPE.schema());
        record.put("request_id", list.requestId());
        record.put("status", Fields.symbol(TYPE.schema("status"), list.status()));
        record.put("reason", Fields.symbol(TYPE.schema("reason"), list.reason()));
        record.put("detail", list.detail());
        record.put("answered_at", list.answeredAt().toEpochMilli());
        record.put("results", candidates(list.results()));
        record.put("left_out", candidates(list.leftOut()));
        GenericRecord latency = new GenericData.Record(TYPE.schema("latency"));
        latency.put("total", list.latency().total());
        latency.put("source", list.latency().source());
        latency.put("encode", list.latency().encode());
        latency.put("queue", list.latency().queue());
        latency.put("score", list.latency().score());
        record.put("latency", latency);
        GenericRecord usage = new GenericData.Record(TYPE.schema("usage"));
        usage.put("text_tokens", list.usage().textTokens());
        usage.put("vision_tokens", list.usage().visionTokens());
        usage.put("prefix_tokens", list.usage().prefixTokens());
        usage.put("cache_hits", list.usage().cacheHits());
        record.put("usage", usage);
        GenericRecord model = new GenericData.Record(TYPE.schema("model"));
        model.put("name", list.model().name());
        model.put("fingerprint", list.model().fingerprint());
        record.put("model", model);
        record.put("attributes", list.attributes());
        record.put("shortened", null);
        return record;
    }

    /** A status or reason of a later release comes out as the schema's default, such a reason as null. */
    static Answer fromRecord(GenericRecord record) {
        GenericRecord latency = (GenericRecord) record.get("latency");
        GenericRecord usage = (GenericRecord) record.get("usage");
        GenericRecord model = (GenericRecord) record.get("model");
        RerankedList list = new RerankedList(
                Fields.text(record, "request_id"),
                Objects.requireNonNull(Fields.symbol(ListStatus.class, record, "status")),
                Fields.symbol(Reason.class, record, "reason"),
                Fields.optionalText(record, "detail"),
                Instant.ofEpochMilli(Fields.number(record, "answered_at")),
                ranked(record, "results"),
                ranked(record, "left_out"),
                new Latency(
                        Fields.number(latency, "source"),
                        Fields.number(latency, "encode"),
                        Fields.number(latency, "queue"),
                        Fields.number(latency, "score")),
                new Usage(
                        Fields.number(usage, "text_tokens"),
                        Fields.number(usage, "vision_tokens"),
                        Fields.number(usage, "prefix_tokens"),
                        Fields.number(usage, "cache_hits")),
                new ModelInfo(Fields.text(model, "name"), Fields.text(model, "fingerprint")),
                Fields.map(record, "attributes"));
        return new Answer(list, Fields.optionalText(record, "shortened"));
    }

    private static List<GenericRecord> candidates(List<RankedCandidate> candidates) {
        List<GenericRecord> records = new ArrayList<>();
        for (RankedCandidate candidate : candidates) {
            GenericRecord record = new GenericData.Record(CANDIDATE);
            record.put("id", candidate.id());
            record.put("rank", candidate.rank());
            record.put("retrieval_rank", candidate.retrievalRank());
            record.put("retrieval_score", candidate.retrievalScore());
            record.put("score", candidate.score());
            record.put("rank_value", candidate.rankValue());
            record.put("status", Fields.symbol(CANDIDATE.getField("status").schema(), candidate.status()));
            record.put("reason", Fields.symbol(CANDIDATE.getField("reason").schema(), candidate.reason()));
            record.put("detail", candidate.detail());
            record.put("truncated", candidate.truncated());
            record.put("rules", candidate.rules());
            record.put("attributes", candidate.attributes());
            record.put("relevance", candidate.relevance());
            records.add(record);
        }
        return records;
    }

    private static List<RankedCandidate> ranked(GenericRecord record, String field) {
        List<RankedCandidate> candidates = new ArrayList<>();
        for (GenericRecord candidate : Fields.records(record, field)) {
            List<String> rules = new ArrayList<>();
            ((List<?>) candidate.get("rules")).forEach(rule -> rules.add(rule.toString()));
            candidates.add(new RankedCandidate(
                    Fields.text(candidate, "id"),
                    (Integer) candidate.get("rank"),
                    (int) candidate.get("retrieval_rank"),
                    (Double) candidate.get("retrieval_score"),
                    (Double) candidate.get("score"),
                    (Double) candidate.get("rank_value"),
                    Objects.requireNonNull(Fields.symbol(CandidateStatus.class, candidate, "status")),
                    Fields.symbol(Reason.class, candidate, "reason"),
                    Fields.optionalText(candidate, "detail"),
                    (boolean) candidate.get("truncated"),
                    rules,
                    Fields.map(candidate, "attributes"),
                    (Integer) candidate.get("relevance")));
        }
        return candidates;
    }
}
