package io.lychee.rerank.sql;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.SqlConfig;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.table.api.config.ExecutionConfigOptions;
import org.apache.flink.table.catalog.ResolvedCatalogModel;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.factories.ModelProviderFactory;
import org.apache.flink.table.ml.ModelProvider;

/** Makes the provider {@code lychee} of a {@code CREATE MODEL} statement, when a query names the model. */
public final class RerankModelProviderFactory implements ModelProviderFactory {

    @Override
    public String factoryIdentifier() {
        return "lychee";
    }

    /** Returns none: {@link SqlConfig} declares the options, and checks them. */
    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of();
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of();
    }

    /** @throws ConfigException when an option, or a type of INPUT or OUTPUT, is refused */
    @Override
    public ModelProvider createModelProvider(Context context) {
        ResolvedCatalogModel model = context.getCatalogModel();
        Map<String, String> options = new HashMap<>(model.getOptions());
        options.remove(FactoryUtil.PROVIDER.key());
        try {
            SqlConfig config = SqlConfig.of(options);
            return new RerankModelProvider(
                    config,
                    ListReader.of(model.getResolvedInputSchema(), config),
                    RowWriter.of(model.getResolvedOutputSchema(), config),
                    context.getConfiguration().get(ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_TIMEOUT));
        } catch (ConfigException e) {
            throw root(e);
        }
    }

    /** Makes the message that of the root cause, the only one that Flink's SQL client shows. */
    static ConfigException root(ConfigException refused) {
        ConfigException root = new ConfigException(String.valueOf(refused.getMessage()));
        root.addSuppressed(refused);
        return root;
    }
}
