# Copy to .env.sh, fill in, then: source .env.sh
# Keys are read from the environment only. Give them futures permission and nothing else; never withdrawal.

# Testnet (the default of `python live.py`)
export BINANCE_TESTNET_API_KEY=""
export BINANCE_TESTNET_API_SECRET=""

# Real money (used only with --live)
export BINANCE_API_KEY=""
export BINANCE_API_SECRET=""

# `timonel panic` and `timonel doctor` read the same variables.

# A real-money start without a terminal (systemd, cron), or `timonel panic --live`, needs this set to YES.
# export TIMONEL_CONFIRM_LIVE="YES"

# Point the daemon at a running simulator instead: timonel simulator --port 8899 …
# export TIMONEL_EXCHANGE_URL="http://127.0.0.1:8899"
# Its account, when it is not simulador:simulador.
# export TIMONEL_SIMULATOR_KEY=""
# export TIMONEL_SIMULATOR_SECRET=""

# Asked for every minute while the daemon gets on, e.g. https://hc-ping.com/<id>; a secret.
# export TIMONEL_HEARTBEAT_URL=""

# Accounts of `timonel api` and of several daemons, when it is not accounts.yaml; see accounts.example.yaml.
# export TIMONEL_ACCOUNTS="/etc/timonel/accounts.yaml"

# A Redis that other programs read open operations in; everything works without it.
# export TIMONEL_REDIS_URL="redis://127.0.0.1:6379/0"

# Secrets of `timonel alerts`: the bot's token, and addresses of other services that timonel.yaml names.
# export TIMONEL_TELEGRAM_TOKEN=""
# export TIMONEL_APPRISE_MAIL="mailtos://user:password@host"
