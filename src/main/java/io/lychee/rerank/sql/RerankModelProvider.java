package io.lychee.rerank.sql;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.SqlConfig;
import java.math.BigDecimal;
import java.time.Duration;
import org.apache.flink.table.api.config.ExecutionConfigOptions;
import org.apache.flink.table.api.config.MLPredictRuntimeConfigOptions;
import org.apache.flink.table.functions.AsyncPredictFunction;
import org.apache.flink.table.ml.AsyncPredictRuntimeProvider;
import org.apache.flink.table.ml.ModelProvider;

/**
 * Holds a checked model for the planner. Immutable.
 *
 * @param sessionTimeout ML_PREDICT's, where its call sets none
 */
record RerankModelProvider(SqlConfig config, ListReader reader, RowWriter writer, Duration sessionTimeout)
        implements AsyncPredictRuntimeProvider {

    /** Time between a list's deadline and ML_PREDICT's timeout, for a busy task thread. */
    private static final Duration MARGIN = Duration.ofSeconds(1);

    @Override
    public ModelProvider copy() {
        return this;
    }

    /** @throws ConfigException when the model has no deadline before ML_PREDICT's timeout, which fails the job */
    @Override
    public AsyncPredictFunction createAsyncPredictFunction(Context context) {
        Duration limit = context.runtimeConfig()
                .getOptional(MLPredictRuntimeConfigOptions.ASYNC_TIMEOUT)
                .orElse(sessionTimeout);
        Duration deadline = config.timeout();
        // a limit of zero is none
        boolean late = !limit.isZero() && deadline.plus(MARGIN).compareTo(limit) > 0;
        if (deadline.isZero() || late) {
            throw new ConfigException("%s is %s s; expected more than 0%s"
                    .formatted(
                            config.timeoutKey(),
                            seconds(deadline),
                            limit.isZero()
                                    ? ""
                                    : ", and at most %s s, a second less than ML_PREDICT's timeout, at which a job fails (%s)"
                                            .formatted(
                                                    seconds(limit.minus(MARGIN)),
                                                    ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_TIMEOUT.key())));
        }
        return new RerankPredictFunction(
                reader, writer, config.isClient() ? new GatewayReranker(config) : new EngineReranker(config));
    }

    private static String seconds(Duration duration) {
        return BigDecimal.valueOf(duration.toMillis(), 3).stripTrailingZeros().toPlainString();
    }
}
